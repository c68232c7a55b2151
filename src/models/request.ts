import { ModelError, show } from '../errors.js';

/** Redirects that are followed before the request counts as a loop. */
const mostRedirects = 10;

/**
 * Requests a file over HTTP and follows redirects: to http and https only, and never from https to http.
 *
 * @throws ModelError when the address, or one that it redirects to, is refused; else as `fetch` does.
 */
export async function request(
  url: string,
  headers: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<Response> {
  let address = new URL(url);
  for (let redirects = 0; redirects <= mostRedirects; redirects++) {
    refuseCredentials(address, url);
    const response = await fetch(address, { headers, signal, redirect: 'manual' });
    const location = response.status >= 300 && response.status < 400 && response.headers.get('location');
    if (!location) return response;
    await response.body?.cancel();
    address = redirected(address, location, url);
  }
  throw new ModelError(`${url} redirects more than ${mostRedirects} times: the server sends it in a circle.`);
}

function redirected(from: URL, location: string, url: string): URL {
  if (!URL.canParse(location, from.href)) {
    throw new ModelError(`${url} redirects to ${show(location)}, which is not an address.`);
  }
  const to = new URL(location, from);
  if (to.protocol !== 'http:' && to.protocol !== 'https:') {
    throw new ModelError(`${url} redirects to ${show(to.href)}, but only http and https are followed.`);
  }
  if (from.protocol === 'https:' && to.protocol === 'http:') {
    throw new ModelError(
      `${url} redirects to ${show(to.href)}, but a download that starts with https must not continue ` +
        'with http.',
    );
  }
  return to;
}

function refuseCredentials({ username, password, host }: URL, url: string): void {
  if (!username && !password) return;
  const { pathname } = new URL(url);
  throw new ModelError(
    `The address of ${pathname} on ${host} holds a user name or a password, which is not supported: they ` +
      'would be stored with the model. Download the file yourself.',
  );
}
