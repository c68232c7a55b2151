import { createServer } from 'node:net';

/**
 * A port of this machine on which nothing listens. It is below those that systems give to connections and to
 * servers without a port of their own, so that hardly anything takes it before it is used.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 12_000);
    const server = createServer();
    const isFree = await new Promise<boolean>((done) => {
      server.once('error', () => done(false));
      server.listen(port, '127.0.0.1', () => server.close(() => done(true)));
    });
    if (isFree) return port;
  }
}
