import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { boundaryOf, MultipartError, multipartParts } from '#src/formats/dicomweb/multipart.js';

/** A body in chunks of some bytes. */
async function* inChunks(text: string, size: number): AsyncGenerator<Uint8Array> {
  const bytes = Buffer.from(text, 'latin1');
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function partsOf(text: string, size = 7): Promise<string[]> {
  const parts: string[] = [];
  for await (const { headers, content } of multipartParts(inChunks(text, size), 'edge')) {
    const chunks: Uint8Array[] = [];
    for await (const chunk of content) chunks.push(chunk);
    const named = [...headers].map(([name, value]) => `${name}=${value}`).join(',');
    parts.push(`${named}:${Buffer.concat(chunks).toString('latin1')}`);
  }
  return parts;
}

const fault = (text: string) =>
  partsOf(text).then(
    () => 'nothing was thrown',
    (error) => (error instanceof MultipartError ? error.message : error.stack),
  );

test('parts are found wherever the chunks of the body end', async () => {
  const text =
    '--edge\r\nContent-Type: a/b\r\n\r\none\r\n-edge\r\n--edg\r\n\r\n--edge \t\r\n\r\nno headers\r\n' +
    '--edge\r\nA: 1\r\nB:2\r\n\r\n\r\n--edge--\r\nwhat follows';
  for (let size = 1; size < text.length + 1; size++) {
    assert.equal(await partsOf(text, size), [
      'content-type=a/b:one\r\n-edge\r\n--edg\r\n',
      ':no headers',
      'a=1,b=2:',
    ]);
  }
});

test('a preamble is skipped, and parts that are not read are, too', async () => {
  const text = 'a preamble\r\n--edge\r\n\r\none\r\n--edge\r\n\r\ntwo\r\n--edge--';
  assert.equal(await partsOf(text), [':one', ':two']);
  let count = 0;
  for await (const _ of multipartParts(inChunks(text, 3), 'edge')) count++;
  assert.is(count, 2);
});

test('a body that is cut off anywhere is refused', async () => {
  const text = '--edge\r\nContent-Type: a/b\r\n\r\none\r\n--edge--';
  for (let length = 0; length < text.length; length++) {
    assert.is(await fault(text.slice(0, length)), 'ended the answer before its last boundary', `${length}`);
  }
  assert.equal(await partsOf(text), ['content-type=a/b:one']);
});

test('a part of another length than it says is refused', async () => {
  const part = (length: string) => `--edge\r\nContent-Length: ${length}\r\n\r\nthree\r\n--edge--`;
  assert.equal(await partsOf(part('5')), ['content-length=5:three']);
  for (const length of ['4', '6', '99999999999', '-1', 'many', '']) {
    assert.is(await fault(part(length)), `sent a part of 5 bytes, but its Content-Length says ${length}`);
  }
});

test('headers and preambles without an end are refused, however long the body is', async () => {
  let sent = 0;
  async function* endless(start: string): AsyncGenerator<Uint8Array> {
    yield Buffer.from(start);
    for (;;) {
      sent += 1024;
      yield Buffer.alloc(1024, 'x');
    }
  }
  for (const start of ['no boundary', '--edge\r\nA: b', '--edge']) {
    sent = 0;
    const parts = multipartParts(endless(start), 'edge');
    const message = await parts.next().then(
      () => 'nothing was thrown',
      (error: Error) => error.message,
    );
    assert.match(message, /^sent more than \d+ bytes where a header was expected$/);
    assert.ok(sent < 100_000, `${sent} bytes were read`);
  }
  assert.is(await fault('--edge\r\nnot a header\r\n\r\n\r\n--edge--'), 'sent a part with a damaged header');
});

test('the boundary is that of the Content-Type, quoted or not', () => {
  assert.is(boundaryOf('multipart/related; type="application/dicom"; boundary=a-b'), 'a-b');
  assert.is(boundaryOf('Multipart/Related; boundary="a b"; type=x'), 'a b');
  for (const type of [
    'application/dicom',
    'multipart/related',
    'multipart/related; boundary=',
    `multipart/related; boundary=${'a'.repeat(71)}`,
  ])
    assert.is(boundaryOf(type), undefined, type);
});

test.run();
