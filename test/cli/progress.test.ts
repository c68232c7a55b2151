import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { liveProgress } from '#src/cli/liveProgress.js';
import { jsonProgress, lineProgress, quietProgress } from '#src/cli/progress.js';
import { liveTraining, quietTraining } from '#src/cli/trainProgress.js';
import type { RunEvent } from '#src/pipeline/events.js';
import { Lane } from '#src/runtime/lane.js';
import { columnsOf, TestScreen } from './screen.js';

const lanes = { io: new Lane(2), cpu: new Lane(1), device: new Lane(1) };
const long = `腹部${'脾脏'.repeat(20)}`;

const events: readonly RunEvent[] = [
  {
    ...{ event: 'start', pipeline: 'spleen', output: 'out', cases: 2, inFlight: 2, memory: 1, device: 'cpu' },
    steps: ['load', 'dice'],
  },
  { event: 'caseStart', case: long },
  { event: 'caseStart', case: '病例二' },
  { event: 'step', case: long, step: 'load', seconds: 2 },
  { event: 'caseFailed', index: 0, case: '病例二', step: 'load', message: '文件 is not a NIfTI file.' },
  { event: 'warning', message: 'something' },
  {
    event: 'caseDone',
    index: 1,
    case: long,
    seconds: 2.5,
    bytesRead: 0,
    bytesWritten: 0,
    metrics: { dice_spleen: 0.912345 },
  },
];

test('the live display of a run clips wide names, and leaves only the permanent lines', () => {
  const screen = new TestScreen(60);
  const progress = liveProgress(screen, { lanes });
  for (const event of events.slice(0, 6)) progress.onEvent(event);
  const lines = screen.text.split('\n');
  assert.equal(lines.slice(1, 3), [
    '[1/2] 病例二: failed at load: 文件 is not a NIfTI file.',
    'Warning: something',
  ]);
  assert.match(lines[3], /^█+░+ 1\/2 1 failed \d+ s, .*cases\/min$/);
  assert.match(lines[4], /^io ○○ {2}cpu ○ {2}device ○ {3}slowest: 2\.0 s per case, load$/);
  assert.match(lines[5], /^ {2}dice {2}腹部脾.*…$/);
  assert.ok([...lines[5]].reduce((sum, character) => sum + columnsOf(character), 0) < 60);
  assert.is(lines.length, 6);
  progress.onEvent(events[6]);
  progress.say('Stopping.');
  progress.end();
  assert.equal(screen.text.split('\n').slice(1), [...lines.slice(1, 3), 'Stopping.']);
});

test('before the first case, the live display says what is done', () => {
  const screen = new TestScreen(60);
  const progress = liveProgress(screen, { lanes });
  const line = (event: RunEvent) => {
    progress.onEvent(event);
    progress.say('');
    return screen.text.split('\n').at(-1);
  };
  assert.match(line({ event: 'preparing', what: 'listing the cases' }) ?? '', /^Listing the cases… \d+ s$/);
  assert.match(line({ event: 'preparing', what: 'loading the models' }) ?? '', /^Loading the models… \d+ s$/);
  progress.onEvent(events[0]);
  assert.match(screen.text, /^░+ 0\/2 \d+ s$/m);
  progress.end();
});

test('a narrow terminal shows windows, the time left and the names', () => {
  const screen = new TestScreen(40);
  const progress = liveProgress(screen, { lanes });
  const windows = { event: 'windows', case: 'patient_1', step: 'inference' } as const;
  progress.onEvent(events[0]);
  progress.onEvent({ ...windows, done: 0, all: 40 });
  progress.onEvent({ ...windows, done: 10, all: 40 });
  progress.say('A sentence that is longer than the terminal is wide.');
  assert.match(screen.text, /^ {2}10\/40, \d+ s left {2}patient_1$/m);
  assert.match(screen.text, /^A sentence that is longer than the\n {4}terminal is wide\.$/m);
  progress.end();
});

test('windows and the time left show within a case, before any case has ended, in 80 columns', () => {
  const screen = new TestScreen(80);
  const progress = liveProgress(screen, { lanes });
  const [begin, started] = events;
  const windows = (done: number): RunEvent => ({
    event: 'windows',
    case: long,
    step: 'inference',
    done,
    all: 40,
  });
  for (const event of [begin, started, windows(2), windows(12), events[5]]) progress.onEvent(event);
  const lines = screen.text.split('\n');
  assert.match(lines[2], /0\/2 \d+ s, .* left$/, 'the time left for the whole');
  assert.match(lines[4], /^ {2}inference: 12 of 40 windows, .* left {2}腹部脾.*…$/);
  assert.ok([...lines[4]].reduce((sum, character) => sum + columnsOf(character), 0) <= 80);
  // A case whose model is done counts as much as before.
  const bar = () => /^(█*)░* 0\/2/m.exec(screen.text)?.[1].length;
  const before = bar();
  progress.onEvent({ event: 'step', case: long, step: 'inference', seconds: 1 });
  progress.say('');
  assert.ok(before !== undefined && before > 0 && bar()! > before, screen.text);
  progress.end();
});

test('--quiet shows only failures and messages', () => {
  const lines: string[] = [];
  const output = { isTTY: false, columns: 0, rows: 0, write: (text: unknown) => lines.push(`${text}`) > 0 };
  const progress = quietProgress(output);
  for (const event of events) progress.onEvent(event);
  progress.say('Stopping.');
  assert.equal(lines, ['[1/2] 病例二: failed at load: 文件 is not a NIfTI file.\n', 'Stopping.\n']);
});

test('plain lines report the events, one line per case', () => {
  const lines: string[] = [];
  const output = {
    isTTY: false,
    columns: 0,
    rows: 0,
    write: (text: string | Uint8Array) => lines.push(`${text}`) > 0,
  };
  const progress = lineProgress(output);
  for (const event of events) progress.onEvent(event);
  assert.equal(lines, [
    'spleen: 2 case(s), 2 at once, device cpu, into out\n',
    '[1/2] 病例二: failed at load: 文件 is not a NIfTI file.\n',
    'Warning: something\n',
    `[2/2] ${long}: 2.5 s, dice_spleen 0.9123\n`,
  ]);
});

test('a warning about many cases is shown once, and at the end with the other cases', () => {
  const warnings = ['c1', 'c2', 'c3'].map(
    (id): RunEvent => ({ event: 'warning', case: id, message: `lb/${id}.nii is in metres.` }),
  );
  const other: RunEvent = { event: 'warning', case: 'c2', message: 'Label 4 occurs.' };
  const expected = [
    'Warning: c1: lb/c1.nii is in metres.',
    'Warning: c2: Label 4 occurs.',
    'Warning: the same for 2 more case(s), c2 and c3: lb/c2.nii is in metres.',
  ];
  const lines: string[] = [];
  const output = {
    ...{ isTTY: false, columns: 0, rows: 0 },
    write: (text: string | Uint8Array) => lines.push(String(text).trimEnd()) > 0,
  };
  const screen = new TestScreen(100);
  for (const progress of [lineProgress(output), liveProgress(screen, { lanes })]) {
    for (const event of [warnings[0], warnings[1], other, warnings[2]]) progress.onEvent(event);
    progress.end();
    progress.end();
  }
  assert.equal(lines, expected);
  assert.equal(screen.text.trimEnd().split('\n'), expected);
});

test('JSON lines are complete objects with a time, and messages go elsewhere', () => {
  const [lines, messages]: string[][] = [[], []];
  const to = (list: string[]) => ({
    ...{ isTTY: false, columns: 0, rows: 0 },
    write: (text: string | Uint8Array) => list.push(`${text}`) > 0,
  });
  const progress = jsonProgress<RunEvent>(to(lines), to(messages));
  progress.onEvent(events[5]);
  progress.say('Stopping.');
  const { time, ...event } = JSON.parse(lines[0]);
  assert.equal(event, events[5]);
  assert.match(time, /^\d{4}-\d\d-\d\dT/);
  assert.equal(messages, ['Stopping.\n']);
});

test('a training with --quiet shows only cases that fail, and long numbers fit 80 columns', () => {
  const lines: string[] = [];
  const output = { isTTY: false, columns: 0, rows: 0, write: (text: unknown) => lines.push(`${text}`) > 0 };
  const screen = new TestScreen(80);
  const displays = [quietTraining(output), liveTraining(screen)];
  for (const { onEvent } of displays) {
    onEvent({
      ...{ event: 'start', pipeline: 'p', output: 'out', cases: 300, validationCases: 30, epochs: 1260 },
      ...{
        stepsPerEpoch: 150,
        patches: 8,
        patch: [96, 96, 96],
        parameters: 4_800_000,
        replicas: 1,
        device: 'cpu',
      },
    });
    onEvent({
      ...{ event: 'step', epoch: 1234, step: 185_000, loss: 0.123456, gradNorm: 1, learningRate: 1 },
      ...{ seconds: 1, waited: 0 },
    });
    // What stays is written at once, and the display below it is drawn again.
    onEvent({ event: 'caseFailed', case: 'c', message: 'It is damaged.' });
  }
  assert.equal(lines, ['c: skipped: It is damaged.\n']);
  const [first, second] = screen.text.split('\n').slice(-2);
  assert.match(first, /^[█░]* ?epoch 1234\/1260, step 185000\/189000, \d+ s left, 8 patches\/s$/);
  assert.ok(first.length < 80);
  assert.is(second, 'loss 0.1235   device waited 0 %');
  for (const display of displays) display.end();
});

test('the live display of a training shows its epochs, and two lines below them', () => {
  const screen = new TestScreen(70);
  const progress = liveTraining(screen);
  progress.onEvent({
    ...{
      event: 'start',
      pipeline: '脾脏',
      output: 'out',
      cases: 3,
      validationCases: 1,
      epochs: 2,
      device: 'cpu',
    },
    ...{ stepsPerEpoch: 2, patches: 4, patch: [32, 32, 32], parameters: 1000, replicas: 1 },
  });
  progress.onEvent({
    event: 'epoch',
    epoch: 1,
    step: 2,
    loss: 0.5,
    metrics: { dice_spleen: 0.25 },
    best: true,
  });
  const lines = screen.text.split('\n');
  assert.ok(lines.includes('[1/2] loss 0.5, validation dice_spleen 0.25 (best)'), screen.text);
  assert.match(lines.at(-2)!, /^░{30} epoch 0\/2, step 0\/4$/);
  assert.is(lines.at(-1), 'dice_spleen 0.25 (best after epoch 1)');
  progress.end();
  assert.is(screen.text.split('\n').at(-1), '[1/2] loss 0.5, validation dice_spleen 0.25 (best)');
});

test.run();
