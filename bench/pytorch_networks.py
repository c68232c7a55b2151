#!/usr/bin/env python3
"""MONAI's networks in plain PyTorch, on MONAI's state dicts: what bench/network.mjs times voxstream against.

Set-up (Debian 12): apt-get install python3-torch; run it with /usr/bin/python3.
usage: pytorch_networks.py NETWORK --make model.pt            (random weights)
       OMP_NUM_THREADS=2 pytorch_networks.py NETWORK --model model.pt --windows 8
NETWORK is swinunetr, segresnetds, segresnet, basicunet or dynunet.
Prints one JSON object: milliseconds per window (see WINDOWS), and processor time.
"""
import argparse, itertools, json, os, time
import torch, torch.nn.functional as F

ap = argparse.ArgumentParser()
ap.add_argument('network', choices=['swinunetr', 'segresnetds', 'segresnet', 'basicunet', 'dynunet'])
ap.add_argument('--make')
ap.add_argument('--model')
ap.add_argument('--windows', type=int, default=4)
ap.add_argument('--save', help='write the input and the output of one window to this file')
a = ap.parse_args()
torch.set_num_threads(int(os.environ.get('OMP_NUM_THREADS', 2)))
WINDOW, FEATURES, CLASSES = 7, 48, 14
ORDER = [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 0), (1, 0, 1), (0, 1, 1), (1, 1, 1)]


class Weights:
    """A state dict, or one that is made while the network runs for the first time."""
    def __init__(self, state=None):
        self.state, self.new = state if state is not None else {}, state is None

    def __call__(self, name, *shape):
        if self.new and name not in self.state:
            fan = max(1, torch.Size(shape[1:]).numel())
            self.state[name] = torch.randn(shape) * fan ** -0.5 if len(shape) > 1 else torch.ones(shape) if name.endswith('weight') else torch.zeros(shape)
        return self.state[name]


def block(w, p, x, c, o):
    y = F.leaky_relu(F.instance_norm(F.conv3d(x, w(p + '.conv1.conv.weight', o, c, 3, 3, 3), padding=1)), 0.01)
    y = F.instance_norm(F.conv3d(y, w(p + '.conv2.conv.weight', o, o, 3, 3, 3), padding=1))
    r = x if c == o else F.instance_norm(F.conv3d(x, w(p + '.conv3.conv.weight', o, c, 1, 1, 1)))
    return F.leaky_relu(y + r, 0.01)


def linear(w, p, x, i, o, bias=True):
    return F.linear(x, w(p + '.weight', o, i), w(p + '.bias', o) if bias else None)


def norm(w, p, x, c):
    return F.layer_norm(x, (c,), w(p + '.weight', c), w(p + '.bias', c))


def index():
    coords = torch.stack(torch.meshgrid(*[torch.arange(WINDOW)] * 3, indexing='ij')).flatten(1)
    d = (coords[:, :, None] - coords[:, None, :] + WINDOW - 1)
    n = 2 * WINDOW - 1
    return (d[0] * n + d[1]) * n + d[2]


INDEX = index()


def parts(x, win):
    n, X, Y, Z, c = x.shape
    x = x.view(n, X // win[0], win[0], Y // win[1], win[1], Z // win[2], win[2], c)
    return x.permute(0, 1, 3, 5, 2, 4, 6, 7).reshape(-1, win[0] * win[1] * win[2], c)


MASKS = {}


def mask(padded, win, shift):
    """As MONAI makes it for each stage; kept between windows, which MONAI does not do."""
    key = (padded, win, shift)
    if key not in MASKS:
        m, k = torch.zeros(1, *padded, 1), 0
        cuts = [(slice(0, -a), slice(-a, -s), slice(-s, None)) if s else (slice(None),) for a, s in zip(win, shift)]
        for region in itertools.product(*cuts):
            m[(0, *region)] = k
            k += 1
        m = parts(m, win).squeeze(-1)
        m = m[:, None, :] - m[:, :, None]
        MASKS[key] = m.masked_fill(m != 0, -100.0)
    return MASKS[key]


def swin_block(w, p, x, c, heads, shifted):
    n, *size, _ = x.shape
    win = tuple(min(WINDOW, s) for s in size)
    shift = tuple(WINDOW // 2 if shifted and s > WINDOW else 0 for s in size)
    y = norm(w, p + '.norm1', x, c)
    pad = [-s % v for s, v in zip(size, win)]
    y = F.pad(y, (0, 0, 0, pad[2], 0, pad[1], 0, pad[0]))
    padded = tuple(y.shape[1:4])
    if any(shift): y = torch.roll(y, tuple(-s for s in shift), (1, 2, 3))
    y = parts(y, win)
    b, t, _ = y.shape
    q, k, v = linear(w, p + '.attn.qkv', y, c, 3 * c).view(b, t, 3, heads, c // heads).permute(2, 0, 3, 1, 4)
    s = (q * (c // heads) ** -0.5) @ k.transpose(-2, -1)
    table = w(p + '.attn.relative_position_bias_table', (2 * WINDOW - 1) ** 3, heads)
    s = s + table[INDEX[:t, :t].reshape(-1)].view(t, t, -1).permute(2, 0, 1)[None]
    if any(shift):
        m = mask(padded, win, shift)
        s = (s.view(b // len(m), len(m), heads, t, t) + m[None, :, None]).view(-1, heads, t, t)
    y = (s.softmax(-1) @ v).transpose(1, 2).reshape(b, t, c)
    y = linear(w, p + '.attn.proj', y, c, c).view(-1, *[d // v for d, v in zip(padded, win)], *win, c)
    y = y.permute(0, 1, 4, 2, 5, 3, 6, 7).reshape(-1, *padded, c)
    if any(shift): y = torch.roll(y, shift, (1, 2, 3))
    x = x + y[:, :size[0], :size[1], :size[2]]
    y = linear(w, p + '.mlp.linear1', norm(w, p + '.norm2', x, c), c, 4 * c)
    return x + linear(w, p + '.mlp.linear2', F.gelu(y), 4 * c, c)


def swinunetr(w, image):
    f = FEATURES
    x = F.conv3d(image, w('swinViT.patch_embed.proj.weight', f, 1, 2, 2, 2), w('swinViT.patch_embed.proj.bias', f), stride=2)
    outs, c = [x], f
    for stage, heads in enumerate((3, 6, 12, 24)):
        p = f'swinViT.layers{stage + 1}.0'
        x = x.permute(0, 2, 3, 4, 1)
        for i in range(2): x = swin_block(w, f'{p}.blocks.{i}', x, c, heads, i == 1)
        x = torch.cat([x[:, i::2, j::2, k::2] for i, j, k in ORDER], -1)
        x = linear(w, p + '.downsample.reduction', norm(w, p + '.downsample.norm', x, 8 * c), 8 * c, 2 * c, bias=False)
        x, c = x.permute(0, 4, 1, 2, 3), 2 * c
        outs.append(x)
    outs = [F.layer_norm(o.permute(0, 2, 3, 4, 1), (o.shape[1],)).permute(0, 4, 1, 2, 3) for o in outs]

    def up(p, x, skip, i, o):
        x = F.conv_transpose3d(x, w(p + '.transp_conv.conv.weight', i, o, 2, 2, 2), stride=2)
        return block(w, p + '.conv_block', torch.cat([x, skip], 1), 2 * o, o)

    e0 = block(w, 'encoder1.layer', image, 1, f)
    e1, e2, e3 = (block(w, f'encoder{i + 2}.layer', outs[i], f << i, f << i) for i in range(3))
    x = block(w, 'encoder10.layer', outs[4], 16 * f, 16 * f)
    x = up('decoder5', x, outs[3], 16 * f, 8 * f)
    x = up('decoder4', x, e3, 8 * f, 4 * f)
    x = up('decoder3', x, e2, 4 * f, 2 * f)
    x = up('decoder2', x, e1, 2 * f, f)
    x = up('decoder1', x, e0, f, f)
    return F.conv3d(x, w('out.conv.conv.weight', CLASSES, f, 1, 1, 1), w('out.conv.conv.bias', CLASSES))


def segresnetds(w, image):
    """init_filters 32, blocks_down 1, 2, 2, 4, 4, norm instance, two classes: what Auto3DSeg trains."""
    down, f = (1, 2, 2, 4, 4), 32

    def res(p, x, c):
        y = x
        for i in '12':
            y = F.relu(F.instance_norm(y, weight=w(f'{p}.norm{i}.weight', c), bias=w(f'{p}.norm{i}.bias', c)))
            y = F.conv3d(y, w(f'{p}.conv{i}.weight', c, c, 3, 3, 3), padding=1)
        return x + y

    x = F.conv3d(image, w('encoder.conv_init.weight', f, 1, 3, 3, 3), padding=1)
    outs, c = [], f
    for i, count in enumerate(down):
        for j in range(count): x = res(f'encoder.layers.{i}.blocks.{j}', x, c)
        outs.append(x)
        if i < len(down) - 1:
            x, c = F.conv3d(x, w(f'encoder.layers.{i}.downsample.weight', 2 * c, c, 3, 3, 3), stride=2, padding=1), 2 * c
    for i in range(len(down) - 1):
        p, c = f'up_layers.{i}', c // 2
        x = F.conv_transpose3d(x, w(p + '.upsample.deconv.weight', 2 * c, c, 3, 3, 3), stride=2, padding=1, output_padding=1)
        x = res(p + '.blocks.0', x + outs[len(down) - 2 - i], c)
    return F.conv3d(x, w(p + '.head.weight', 2, f, 1, 1, 1), w(p + '.head.bias', 2))


def segresnet(w, image):
    """init_filters 16, blocks_down 1, 2, 2, 4, blocks_up 1, 1, 1, group norm of 8, upsample_mode nontrainable."""
    down, f = (1, 2, 2, 4), 16

    def group(p, x, c):
        return F.relu(F.group_norm(x, 8, w(p + '.weight', c), w(p + '.bias', c)))

    def res(p, x, c):
        y = x
        for i in '12': y = F.conv3d(group(f'{p}.norm{i}', y, c), w(f'{p}.conv{i}.conv.weight', c, c, 3, 3, 3), padding=1)
        return x + y

    x = F.conv3d(image, w('convInit.conv.weight', f, 4, 3, 3, 3), padding=1)
    outs = []
    for i, count in enumerate(down):
        c = f << i
        if i: x = F.conv3d(x, w(f'down_layers.{i}.0.conv.weight', c, c // 2, 3, 3, 3), stride=2, padding=1)
        for j in range(count): x = res(f'down_layers.{i}.{j + 1}', x, c)
        outs.append(x)
    for i in range(3):
        c = f << (2 - i)
        x = F.conv3d(x, w(f'up_samples.{i}.0.conv.weight', c, 2 * c, 1, 1, 1))
        x = F.interpolate(x, scale_factor=2, mode='trilinear', align_corners=False) + outs[2 - i]
        x = res(f'up_layers.{i}.0', x, c)
    x = group('conv_final.0', x, f)
    return F.conv3d(x, w('conv_final.2.conv.weight', 3, f, 1, 1, 1), w('conv_final.2.conv.bias', 3))


def basicunet(w, image):
    """features 32, 32, 64, 128, 256, 32; instance norm, LeakyReLU of slope 0.1."""
    f = (32, 32, 64, 128, 256, 32)

    def two(p, x, c, o):
        for i, n in enumerate((c, o)):
            q = f'{p}.conv_{i}'
            x = F.conv3d(x, w(q + '.conv.weight', o, n, 3, 3, 3), w(q + '.conv.bias', o), padding=1)
            x = F.leaky_relu(F.instance_norm(x, weight=w(q + '.adn.N.weight', o), bias=w(q + '.adn.N.bias', o)), 0.1)
        return x

    outs = [two('conv_0', image, 1, f[0])]
    for i in range(1, 5): outs.append(two(f'down_{i}.convs', F.max_pool3d(outs[-1], 2), f[i - 1], f[i]))
    x, c = outs[4], f[4]
    for i in range(4, 0, -1):
        p, o = f'upcat_{i}', c if i == 1 else c // 2
        x = F.conv_transpose3d(x, w(p + '.upsample.deconv.weight', c, o, 2, 2, 2), w(p + '.upsample.deconv.bias', o), stride=2)
        result = f[5] if i == 1 else f[i - 1]
        x, c = two(p + '.convs', torch.cat([outs[i - 1], x], 1), f[i - 1] + o, result), result
    return F.conv3d(x, w('final_conv.weight', 2, c, 1, 1, 1), w('final_conv.bias', 2))


def dynunet(w, image):
    """kernels of 3, strides 1, 2, 2, 2, 2, filters 32 to 320, without residuals; instance norm, LeakyReLU."""
    f = (32, 64, 128, 256, 320)

    def basic(p, x, c, o, stride=1):
        for i, (n, s) in enumerate(((c, stride), (o, 1)), 1):
            x = F.conv3d(x, w(f'{p}.conv{i}.conv.weight', o, n, 3, 3, 3), stride=s, padding=1)
            x = F.leaky_relu(F.instance_norm(x, weight=w(f'{p}.norm{i}.weight', o), bias=w(f'{p}.norm{i}.bias', o)), 0.01)
        return x

    names = ['input_block', 'downsamples.0', 'downsamples.1', 'downsamples.2', 'bottleneck']
    outs, x, c = [], image, 1
    for i, p in enumerate(names):
        x, c = basic(p, x, c, f[i], 2 if i else 1), f[i]
        outs.append(x)
    for i in range(4):
        o = f[3 - i]
        x = F.conv_transpose3d(x, w(f'upsamples.{i}.transp_conv.conv.weight', c, o, 2, 2, 2), stride=2)
        x, c = basic(f'upsamples.{i}.conv_block', torch.cat([x, outs[3 - i]], 1), 2 * o, o), o
    return F.conv3d(x, w('output_block.conv.conv.weight', 2, c, 1, 1, 1), w('output_block.conv.conv.bias', 2))


# Channels and sizes of a network's window.
WINDOWS = dict(segresnet=(4, 128, 128, 64))
shape = (1, *WINDOWS.get(a.network, (1, 96, 96, 96)))
network = globals()[a.network]
torch.manual_seed(0)
with torch.no_grad():
    if a.make:
        weights = Weights()
        network(weights, torch.rand(shape))
        torch.save(weights.state, a.make)
    else:
        weights = Weights(torch.load(a.model, map_location='cpu'))
        x = torch.rand(shape)
        out = network(weights, x)
        if a.save: torch.save(dict(input=x, output=out), a.save)
        times, before = [], time.process_time()
        for _ in range(a.windows):
            start = time.perf_counter()
            network(weights, x)
            times.append(1000 * (time.perf_counter() - start))
        cpu = 1000 * (time.process_time() - before) / a.windows
        print(json.dumps(dict(ms_per_window_median=sorted(times)[len(times) // 2], min=min(times), cpu_ms=cpu)))
