/**
 * The one Trusted Types policy of the page, put there by the shell before any script of the page. react-aria empties its live region by
 * writing '' into innerHTML; nothing else may be turned from text into markup or script. Self-contained: it is sent to the page as text.
 */
export function allowOnlyEmptyMarkup(): void {
  interface Factory {
    createPolicy(name: string, rules: { readonly createHTML: (text: string) => string | null }): unknown;
  }
  const page: { readonly Object: unknown; readonly trustedTypes?: Factory } = globalThis;
  page.trustedTypes?.createPolicy('default', { createHTML: (text) => (text === '' ? '' : null) });
}
