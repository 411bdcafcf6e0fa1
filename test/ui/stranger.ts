/**
 * Somebody else on the user's own machine: a web server on loopback that writes down who came, and a program that speaks to the window's
 * bridge with whatever headers it likes. JSON lines in and out:
 *
 *   {"do":"visits"}                                        → {"visits":["GET /path", …]}, those since the last question
 *   {"do":"request","port","method","path","headers","body"} → {"status","headers","body"} or {"error"}
 */
import { createServer, type OutgoingHttpHeaders, request } from 'node:http';
import { createInterface } from 'node:readline';

export const STRANGER_PORT = 8099;
export const STRANGER = `http://127.0.0.1:${STRANGER_PORT}`;

export interface Asked {
  readonly port: number;
  readonly method?: string;
  readonly path: string;
  readonly headers?: OutgoingHttpHeaders;
  readonly body?: string;
}

export type Answered = {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | readonly string[]>>;
  readonly body: string;
};

/** Headers go out as given, Host and Origin too. An endless answer is cut after a second. */
function ask({ port, method = 'GET', path, headers = {}, body = '' }: Asked): Promise<unknown> {
  return new Promise((resolve) => {
    const asking = request({ host: '127.0.0.1', port, method, path, headers, agent: false }, (answer) => {
      let text = '';
      const done = (): void => resolve({ status: answer.statusCode, headers: answer.headers, body: text });
      const timer = setTimeout(() => {
        done();
        asking.destroy();
      }, 1_000);
      answer.setEncoding('utf8').on('data', (piece: string) => {
        text += piece;
      });
      answer.on('error', () => {});
      answer.on('end', () => {
        clearTimeout(timer);
        done();
      });
    });
    asking.on('error', (error) => resolve({ error: error.message }));
    asking.end(body);
  });
}

if (import.meta.main) {
  let visits: string[] = [];
  const server = createServer((visitor, response) => {
    visits.push(`${visitor.method} ${visitor.url}`);
    response.writeHead(200, { 'content-type': 'text/javascript', 'access-control-allow-origin': '*' });
    response.end('globalThis.strangerRan = true;');
  });
  const print = (line: unknown): void => void process.stdout.write(`${JSON.stringify(line)}\n`);
  server.listen(STRANGER_PORT, '127.0.0.1', () => print({ ready: true }));
  createInterface({ input: process.stdin }).on('line', (line) => {
    const command = JSON.parse(line) as { readonly do: string } & Asked;
    if (command.do === 'request') {
      void ask(command).then(print);
      return;
    }
    print({ visits });
    visits = [];
  });
}
