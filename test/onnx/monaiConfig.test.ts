import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ModelError } from '#src/errors.js';
import { MonaiConfig, type Tree } from '#src/onnx/monaiConfig.js';

const network = (content: Tree, set: Tree = {}) => new MonaiConfig(content, 'inference.json').network(set);

function fault(content: Tree, set: Tree = {}): string {
  try {
    network(content, set);
  } catch (error) {
    assert.instance(error, ModelError);
    return (error as Error).message;
  }
  return 'nothing was thrown';
}

test('a network is its class without the module, and its parameters without those of MONAI’s parser', () => {
  const net = { _target_: 'monai.networks.nets.UNet', _desc_: 'a net', _mode_: 'default', in_channels: 1 };
  assert.equal(network({ network_def: net }), { type: 'UNet', config: { in_channels: 1 } });
});

test('references are resolved in every spelling, through other references, inside lists and maps', () => {
  const content = {
    sizes: { all: [16, 32], first: '@sizes#all#0' },
    alias: '@sizes',
    group: { num_groups: '@count' },
    count: 4,
    norm: ['group', '@group'],
    network_def: {
      _target_: 'UNet',
      channels: '@alias#all',
      a: '$@sizes#first',
      b: '%sizes::first',
      c: ['@sizes#all#1', '$ @count'],
      norm: '@norm',
      text: 'a@b.c',
    },
  };
  assert.equal(network(content).config, {
    channels: [16, 32],
    a: 16,
    b: 16,
    c: [32, 4],
    norm: ['group', { num_groups: 4 }],
    text: 'a@b.c',
  });
  const named = { network_def: '@net', net: { _target_: 'SegResNet' } };
  assert.equal(network(named), { type: 'SegResNet', config: {} });
});

test('what would need code to run is refused by name, all of it at once, and may be given instead', () => {
  const net = {
    _target_: 'DynUNet',
    in_channels: '$len(@labels) + 1',
    act: { _target_: 'torch.nn.ReLU' },
    filters: ['$__import__("os").system("id")'],
    norm: '%other.json#norm',
  };
  const said = fault({ network_def: net, labels: {} });
  assert.match(said, /^The network in inference\.json cannot be read as data:\n/);
  assert.match(
    said,
    /network_def#in_channels is the expression "\$len\(@labels\) \+ 1", which would need Python to run/,
  );
  assert.match(said, /network_def#act is an object of the class "torch\.nn\.ReLU"/);
  assert.match(said, /network_def#filters#0 is the expression "\$__import__\("os"\)\.system\("id"\)"/);
  assert.match(said, /network_def#norm is the reference "%other\.json#norm"/);
  assert.match(said, /--set in_channels=VALUE --set act=VALUE --set filters=VALUE --set norm=VALUE$/);
  const set = { in_channels: 3, act: 'relu', filters: [4], norm: 'batch' };
  assert.equal(network({ network_def: net }, set).config, set);
  assert.match(fault({ network_def: { _target_: '$@net' } }), /_target_ is the name of a class/);
  assert.match(
    fault({ network_def: '$@network.to("cpu")' }),
    /must be a map whose _target_ is the name of a class/,
  );
});

test('references that lead nowhere, in circles, or to more than any network needs are refused', () => {
  const def = (value: unknown) => ({ _target_: 'UNet', channels: value });
  assert.match(
    fault({ network_def: def('@chanels'), channels: [4] }),
    /@chanels cannot be resolved, .* did you mean "channels"\?/,
  );
  assert.match(fault({ network_def: def('@a'), a: '@b', b: '@a' }), /@a -> @b -> @a go round in a circle/);
  assert.match(fault({ network_def: def('@a'), a: ['@a'] }), /@a -> @a go round/);
  assert.match(fault({ network_def: def('@a#b'), a: '@a#b' }), /go round in a circle/);
  assert.match(fault({ network_def: def('@a#b'), a: 3 }), /there is nothing named "b" in it/);
  const levels = Array.from({ length: 40 }, (_, i) => [`l${i}`, [`@l${i + 1}`, `@l${i + 1}`]]);
  assert.match(
    fault({ network_def: def('@l0'), ...Object.fromEntries(levels), l40: 1 }),
    /refers to more than 100000 values/,
  );
  assert.match(fault({}), /has no network_def, .* voxstream models import CHECKPOINT --network unet/);
});

test('other entries are peeked at, and left alone where they need code', () => {
  const config = new MonaiConfig(
    {
      roi: [96, 96, 64],
      inferer: { roi_size: '@roi', overlap: '$1 / 2' },
      steps: [{ _target_: 'a.b.Activationsd', softmax: true }],
    },
    'inference.json',
  );
  assert.equal(config.peek('inferer#roi_size'), [96, 96, 64]);
  assert.is(config.peek('inferer#overlap'), undefined);
  assert.is(config.peek('nothing#here'), undefined);
  assert.equal(config.objectsOf('Activationsd'), [{ _target_: 'a.b.Activationsd', softmax: true }]);
});

test.run();
