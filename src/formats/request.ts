import { show } from '../errors.js';

/** Redirects that are followed before the request counts as a loop. */
const mostRedirects = 10;

export interface RequestOptions {
  readonly headers: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
  /** Sent with POST. Default: a GET without a body. */
  readonly body?: Uint8Array;
  /** Makes the error for an address that is refused. */
  readonly refuse: (message: string) => Error;
}

/**
 * Requests a file over HTTP and follows redirects: to http and https only, and never from https to http.
 *
 * The header Authorization is sent to the origin (scheme, host and port) of `url` alone. A body is sent again
 * to the same origin alone, and only if the server asks for the same method (307, 308).
 *
 * @throws What `refuse` makes when the address, or one that it redirects to, is refused; else as `fetch`
 * does.
 */
export async function request(url: string, options: RequestOptions): Promise<Response> {
  const { signal, body, refuse } = options;
  const { Authorization, ...open } = options.headers;
  let address = new URL(url);
  const { origin } = address;
  const name = withoutQuery(address);
  for (let redirects = 0; redirects <= mostRedirects; redirects++) {
    refuseCredentials(address, refuse);
    const trusted = Authorization !== undefined && address.origin === origin;
    const response = await fetch(address, {
      headers: trusted ? { ...open, Authorization } : open,
      signal,
      redirect: 'manual',
      ...(body && { method: 'POST', body }),
    });
    const location = response.status >= 300 && response.status < 400 && response.headers.get('location');
    if (!location) return response;
    await response.body?.cancel();
    const from = address;
    address = redirected(from, location, name, refuse);
    const kept = response.status === 307 || response.status === 308;
    if (body && (!kept || address.origin !== origin)) {
      throw refuse(
        `${name} redirects to ${show(withoutQuery(address))}, but data is sent only to the server that was given. Give ` +
          'the address that it redirects to.',
      );
    }
  }
  throw refuse(`${name} redirects more than ${mostRedirects} times: the server sends it in a circle.`);
}

function redirected(from: URL, location: string, name: string, refuse: RequestOptions['refuse']): URL {
  if (!URL.canParse(location, from.href)) {
    throw refuse(`${name} redirects to ${show(location)}, which is not an address.`);
  }
  const to = new URL(location, from);
  if (to.protocol !== 'http:' && to.protocol !== 'https:') {
    throw refuse(`${name} redirects to ${show(withoutQuery(to))}, but only http and https are followed.`);
  }
  if (from.protocol === 'https:' && to.protocol === 'http:') {
    throw refuse(
      `${name} redirects to ${show(withoutQuery(to))}, but a download that starts with https must not continue ` +
        'with http.',
    );
  }
  return to;
}

function refuseCredentials(
  { username, password, host, pathname }: URL,
  refuse: RequestOptions['refuse'],
): void {
  if (!username && !password) return;
  throw refuse(
    `The address of ${pathname} on ${host} holds a user name or a password, which is not supported: they ` +
      'would end up in records and messages. Leave them out, or download the file yourself.',
  );
}

/** An address for messages: a query may hold keys, or values that identify a patient. */
function withoutQuery(address: URL): string {
  return Object.assign(new URL(address), { search: '', hash: '', username: '', password: '' }).href;
}
