/**
 * What is looked up inside the page, as expressions: the checkout's types for tests know no DOM. Each is a function of the page alone and
 * returns plain data.
 */

/** Elements a person can work, that are to be seen. `visuallyHidden` inputs stand behind their labels (react-aria). */
const HELPERS = `
  const SELECTOR = 'a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex]:not([tabindex="-1"]), [role=button], [role=tab], [role=option], [role=switch], [role=radio], [role=checkbox]';
  // react-aria keeps a native select or file input out of sight, for forms and for the system's own choosers; nobody works it by hand.
  const shown = (element) => element.checkVisibility({ opacityProperty: true, visibilityProperty: true }) && element.closest('[aria-hidden=true], .visually-hidden') === null && !(element.tagName === 'SELECT' && element.tabIndex === -1);
  const nameOf = (element) => (element.getAttribute('aria-label') || element.innerText || element.getAttribute('title') || element.getAttribute('name') || element.tagName).trim().replace(/\\s+/g, ' ').slice(0, 60);
  const faceOf = (element) => {
    const box = element.getBoundingClientRect();
    return box.width > 2 && box.height > 2 ? element : element.closest('label') ?? element.parentElement ?? element;
  };
  const scrollsSideways = (element) => {
    for (let at = element.parentElement; at !== null; at = at.parentElement) {
      const how = getComputedStyle(at).overflowX;
      if ((how === 'auto' || how === 'scroll') && at.scrollWidth > at.clientWidth + 1) return true;
    }
    return false;
  };
`;

/** How far the page is wider than its window, in CSS pixels. Shape: number. */
export const sidewaysOverflow = `(() => Math.max(document.documentElement.scrollWidth, document.body.scrollWidth) - document.documentElement.clientWidth)()`;

/** Controls that stick out of the window at a side, or whose text is cut off. Shape: string[], empty when all is well. */
export const clippedControls = `(() => {
  ${HELPERS}
  const wide = document.documentElement.clientWidth;
  const found = [];
  for (const element of document.querySelectorAll(SELECTOR)) {
    if (!shown(element)) continue;
    const face = faceOf(element);
    const box = face.getBoundingClientRect();
    if (box.width === 0 || box.height === 0) continue;
    if ((box.left < -1 || box.right > wide + 1) && !scrollsSideways(face)) found.push('outside ' + Math.round(box.left) + '…' + Math.round(box.right) + ': ' + nameOf(element));
    const style = getComputedStyle(face);
    const cuts = style.overflowX === 'hidden' || style.overflowX === 'clip';
    if (cuts && style.textOverflow !== 'ellipsis' && face.scrollWidth > face.clientWidth + 1 && face.clientWidth > 2) found.push('cut off: ' + nameOf(element));
    if (face.tagName === 'BUTTON' && face.scrollWidth > face.clientWidth + 2 && style.textOverflow !== 'ellipsis') found.push('text wider than its button: ' + nameOf(element));
  }
  return [...new Set(found)];
})()`;

/** Controls that are covered by another or by the edge of something that hides what runs over. Shape: string[]. */
export const unreachableControls = `(() => {
  ${HELPERS}
  const found = [];
  for (const element of document.querySelectorAll(SELECTOR)) {
    if (!shown(element)) continue;
    const face = faceOf(element);
    face.scrollIntoView({ block: 'center', inline: 'center', behavior: 'instant' });
    const box = face.getBoundingClientRect();
    if (box.width < 3 || box.height < 3) continue;
    const hit = document.elementFromPoint(box.left + box.width / 2, box.top + Math.min(box.height / 2, 20));
    if (hit === null || !(face.contains(hit) || hit.contains(face) || hit.closest('label')?.contains(face))) found.push(nameOf(element) + ' is under ' + (hit === null ? 'nothing' : hit.tagName + '.' + hit.className));
  }
  return found;
})()`;

/** The element with the focus: what it is called, and whether one can see that it has the focus. */
export interface Focused {
  readonly tag: string;
  readonly name: string;
  readonly visible: boolean;
  /** Stable within one page: to know when the round is complete. */
  readonly mark: number;
}

export const focused = `(() => {
  ${HELPERS}
  const element = document.activeElement;
  if (element === null || element === document.body) return null;
  globalThis.uiMarks ??= new WeakMap();
  globalThis.uiMarkCount ??= 0;
  if (!globalThis.uiMarks.has(element)) globalThis.uiMarks.set(element, globalThis.uiMarkCount++);
  const shows = (one) => {
    const style = getComputedStyle(one);
    const outline = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 1 && style.outlineColor !== 'rgba(0, 0, 0, 0)';
    return outline || (style.boxShadow !== 'none' && one.matches(':focus-visible, [data-focus-visible]'));
  };
  const around = [element, element.closest('label'), element.parentElement, element.closest('[data-focus-visible]')];
  return { tag: element.tagName.toLowerCase(), name: nameOf(element), visible: around.some((one) => one !== null && shows(one)), mark: globalThis.uiMarks.get(element) };
})()`;

/** All words of the page: what is to be seen and what is read out, but the helper's own log, which is English. */
export const words = `(() => {
  const log = document.querySelector('[data-test=log-list]')?.innerText ?? '';
  const parts = [document.title, document.body.innerText.replace(log, '')];
  for (const element of document.querySelectorAll('[aria-label], [title], [placeholder], [aria-roledescription]'))
    for (const name of ['aria-label', 'title', 'placeholder', 'aria-roledescription']) parts.push(element.getAttribute(name) ?? '');
  return parts.filter((part) => part !== '').join('\\n');
})()`;

/** Longest transition or animation that could run, in milliseconds. */
export const longestMotion = `(() => {
  const ms = (list) => Math.max(0, ...list.split(',').map((one) => parseFloat(one) * (one.trim().endsWith('ms') ? 1 : 1000)));
  let most = 0;
  for (const element of document.querySelectorAll('*')) {
    const style = getComputedStyle(element);
    const runs = style.animationName !== 'none';
    most = Math.max(most, ms(style.transitionDuration), runs ? ms(style.animationDuration) : 0);
  }
  return Math.max(most, ...document.getAnimations().map((one) => Number(one.effect?.getComputedTiming().duration) || 0));
})()`;

/** The page's own colour, as what it lies on: brightness 0 to 255. */
export const backgroundBrightness = `(() => {
  for (const element of [document.querySelector('main'), document.body, document.documentElement]) {
    if (element === null) continue;
    const context = Object.assign(document.createElement('canvas'), { width: 1, height: 1 }).getContext('2d');
    context.fillStyle = getComputedStyle(element).backgroundColor;
    context.fillRect(0, 0, 1, 1);
    const [red, green, blue, alpha] = context.getImageData(0, 0, 1, 1).data;
    if (alpha > 0) return Math.round(0.299 * red + 0.587 * green + 0.114 * blue);
  }
  return 255;
})()`;
