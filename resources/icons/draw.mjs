/** Drawing strokes and rounded boxes into pixels by distance: enough for one mark, and no program needed. */

/** A path of absolute M, L, H, V and A-with-equal-radii commands as straight pieces `[x1, y1, x2, y2]`. */
export function piecesOf(path) {
  const pieces = [];
  const words = path.match(/[MLHVA]|-?\d+(\.\d+)?/g) ?? [];
  let at = [0, 0];
  let command = 'M';
  const number = () => Number(words.shift());
  while (words.length > 0) {
    if (/[MLHVA]/.test(words[0])) command = words.shift();
    const from = at;
    if (command === 'H') at = [number(), from[1]];
    else if (command === 'V') at = [from[0], number()];
    else if (command === 'A') {
      const radius = number();
      words.splice(0, 4);
      at = [number(), number()];
      pieces.push(...halfCircle(from, at, radius));
      continue;
    } else at = [number(), number()];
    if (command !== 'M') pieces.push([...from, ...at]);
    else command = 'L';
  }
  return pieces;
}

/** The half circle from left to right over the top, as 24 straight pieces. */
function halfCircle([x1, y1], [x2], radius) {
  const count = 24;
  const middle = (x1 + x2) / 2;
  const point = (step) => {
    const angle = Math.PI - (Math.PI * step) / count;
    return [middle + radius * Math.cos(angle), y1 - radius * Math.sin(angle)];
  };
  return Array.from({ length: count }, (_, step) => [...point(step), ...point(step + 1)]);
}

/** A picture of `size` × `size` RGBA octets, transparent. */
export function emptyPicture(size) {
  return { size, pixels: new Uint8Array(size * size * 4) };
}

/** Strokes with round ends; coordinates and `width` in units of a `units` × `units` field. */
export function stroke(picture, pieces, width, colour, units = 24) {
  const scale = picture.size / units;
  cover(picture, colour, (x, y) => {
    let nearest = Infinity;
    for (const piece of pieces) nearest = Math.min(nearest, distance(x / scale, y / scale, piece));
    return (width / 2 - nearest) * scale;
  });
}

/** A filled box with round corners over all of the picture but a margin. */
export function roundedBox(picture, margin, radius, colour, units = 24) {
  const scale = picture.size / units;
  const half = (units / 2 - margin) * scale;
  const corner = radius * scale;
  cover(picture, colour, (x, y) => {
    const dx = Math.abs(x - picture.size / 2) - (half - corner);
    const dy = Math.abs(y - picture.size / 2) - (half - corner);
    return corner - Math.hypot(Math.max(dx, 0), Math.max(dy, 0)) - Math.min(Math.max(dx, dy), 0);
  });
}

/** `inside(x, y)`: pixels from the edge, positive inside. One pixel of the edge is soft. */
function cover({ size, pixels }, [red, green, blue], inside) {
  for (let row = 0; row < size; row++) {
    for (let column = 0; column < size; column++) {
      const alpha = Math.min(1, Math.max(0, inside(column + 0.5, row + 0.5) + 0.5));
      if (alpha === 0) continue;
      const at = (row * size + column) * 4;
      const below = pixels[at + 3] / 255;
      const total = alpha + below * (1 - alpha);
      for (const [channel, value] of [red, green, blue].entries()) {
        pixels[at + channel] = Math.round((value * alpha + pixels[at + channel] * below * (1 - alpha)) / total);
      }
      pixels[at + 3] = Math.round(total * 255);
    }
  }
}

function distance(x, y, [x1, y1, x2, y2]) {
  const dx = x2 - x1;
  const dy = y2 - y1;
  const length = dx * dx + dy * dy;
  const along = length === 0 ? 0 : Math.min(1, Math.max(0, ((x - x1) * dx + (y - y1) * dy) / length));
  return Math.hypot(x - x1 - along * dx, y - y1 - along * dy);
}
