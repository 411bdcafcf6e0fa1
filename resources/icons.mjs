#!/usr/bin/env node
/**
 * Draws the mark, a small gate in a wall: `node resources/icons.mjs [folder]`. The app's icon as SVG, PNG, ICO and ICNS; the tray's in one
 * colour per state, light for dark panels and dark for light ones, at 1× and 2×. Built, not committed.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { emptyPicture, piecesOf, roundedBox, stroke } from './icons/draw.mjs';
import { icns, ico, png } from './icons/encode.mjs';

/** On a field of 24 × 24; the same as in the window (renderer/components/gate.tsx). */
const wall = ['M2 21V4H5V6.5H9V4H15V6.5H19V4H22V21', 'M6.5 21V14.5A5.5 5.5 0 0 1 17.5 14.5V21', 'M1.5 21H6.5M17.5 21H22.5'];
const gates = {
  open: [],
  moving: ['M9.5 14.4V10.2M12 14.4V9.4M14.5 14.4V10.2', 'M7 15H17'],
  closed: ['M9.5 20.4V10.2M12 20.4V9.4M14.5 20.4V10.2', 'M7 16.5H17'],
  // A bar across instead of a grid: seen at 16 px, and not by colour alone.
  fault: ['M9.5 12.5L14.5 19.5M14.5 12.5L9.5 19.5'],
};

/** At 16 px a grid is a grey patch: there the gate is a leaf that fills the arch, or its upper half. */
const smallGates = {
  ...gates,
  moving: leafDownTo(13.5),
  closed: leafDownTo(20.5),
};

/** Lines close enough to be one patch. */
function leafDownTo(bottom) {
  const lines = [];
  for (let x = 8.5; x <= 15.5; x += 0.7)
    lines.push(`M${x.toFixed(1)} ${bottom}V${(9.5 + Math.abs(x - 12) ** 2 * 0.2).toFixed(1)}`);
  return lines;
}

const LINE = 1.75;
const WHITE = [255, 255, 255];
const BLACK = [24, 28, 33];
/** The accent of renderer/tokens.css, as the ground of the app's icon. */
const GROUND = [0x2a, 0x55, 0xc5];

const APP_SIZES = [16, 24, 32, 48, 64, 128, 256, 512, 1024];

export function writeIcons(folder) {
  mkdirSync(folder, { recursive: true });
  const app = new Map(APP_SIZES.map((size) => [size, png(appIcon(size))]));
  const entries = (sizes) => sizes.map((size) => ({ size, data: app.get(size) }));
  for (const [size, data] of app) if (size <= 512) writeFileSync(join(folder, `${size}x${size}.png`), data);
  writeFileSync(join(folder, 'icon.ico'), ico(entries([16, 24, 32, 48, 64, 128, 256])));
  writeFileSync(join(folder, 'icon.icns'), icns(entries([128, 256, 512, 1024])));
  for (const gate of Object.keys(gates)) {
    for (const [suffix, size] of [
      ['', 16],
      ['@2x', 32],
    ]) {
      writeFileSync(join(folder, `tray-${gate}-light${suffix}.png`), png(mark(size, gate, WHITE)));
      writeFileSync(join(folder, `tray-${gate}-dark${suffix}.png`), png(mark(size, gate, BLACK)));
      // macOS takes the shape only, and looks for this ending.
      writeFileSync(join(folder, `tray-${gate}-Template${suffix}.png`), png(mark(size, gate, [0, 0, 0])));
    }
  }
  writeFileSync(join(folder, 'sallyport.svg'), svg());
}

function mark(size, gate, colour) {
  const picture = emptyPicture(size);
  const small = size <= 16;
  // A thinner line would be grey there too.
  stroke(picture, [...wall, ...(small ? smallGates : gates)[gate]].flatMap(piecesOf), small ? 2 : LINE, colour);
  return picture;
}

function appIcon(size) {
  const picture = emptyPicture(size);
  roundedBox(picture, 0.5, 5, GROUND);
  // The mark on two thirds of the ground.
  const pieces = [...wall, ...gates.open].flatMap(piecesOf).map((piece) => piece.map((value) => 12 + (value - 12) * 0.68));
  stroke(picture, pieces, size <= 32 ? 1.7 : 1.3, WHITE);
  return picture;
}

function svg() {
  const paths = [...wall, ...gates.open].map((path) => `    <path d="${path}"/>`).join('\n');
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24">
  <rect x="0.5" y="0.5" width="23" height="23" rx="5" fill="rgb(${GROUND.join(' ')})"/>
  <g transform="translate(3.84 3.84) scale(0.68)" fill="none" stroke="#fff" stroke-width="1.9" stroke-linecap="round" stroke-linejoin="round">
${paths}
  </g>
</svg>
`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  writeIcons(process.argv[2] ?? fileURLToPath(new URL('../dist/icons', import.meta.url)));
}
