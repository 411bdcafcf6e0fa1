/**
 * The window shows itself and nothing else. Electron's shell refuses every other place and every further window; in a browser only the
 * page can, so it does, before anything else runs.
 */
export function stayHere(): void {
  window.open = () => null;
  window.navigation?.addEventListener('navigate', (event) => {
    const { destination, downloadRequest, formData, navigationType } = event;
    // A place of the window (a fragment), a file to save, or the same page anew.
    if (destination.sameDocument || downloadRequest !== null || navigationType === 'reload') return;
    // The policy refuses every form, and its report says so.
    if (formData !== null) return;
    if (event.cancelable) event.preventDefault();
  });
}
