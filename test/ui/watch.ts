/** What must not happen in any page: violations of the content security policy, uncaught errors, errors on the console. */
import type { BrowserContext, ConsoleMessage } from 'playwright-core';

const REPORT = 'sallyportUiTestViolation';

export class Watch {
  readonly violations: string[] = [];
  readonly errors: string[] = [];

  /** Before the first page. */
  async over(context: BrowserContext): Promise<void> {
    await context.exposeBinding(REPORT, (_source, text: string) => void this.violations.push(text));
    await context.addInitScript(`document.addEventListener('securitypolicyviolation', (event) =>
      globalThis.${REPORT}(event.effectiveDirective + ' ' + event.blockedURI + ' ' + event.sample + ' ' + event.sourceFile + ':' + event.lineNumber));`);
    context.on('console', (message) => this.#console(message));
    context.on('weberror', (error) => this.errors.push(`uncaught: ${error.error().stack ?? error.error().message}`));
  }

  #console(message: ConsoleMessage): void {
    const text = message.text();
    if (/Content.Security.Policy/i.test(text)) this.violations.push(text);
    else if (message.type() === 'error') this.errors.push(`console: ${text} (${message.location().url})`);
  }
}
