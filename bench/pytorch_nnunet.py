#!/usr/bin/env python3
"""nnU-Net v2's inference in plain PyTorch, numpy and scipy: what bench/nnunet.mjs times voxstream against.

It follows nnU-Net 2.5.1 for a plan without anisotropy: crop to non-zero, CT normalization, cubic spline to the plan's
voxel size (scipy's zoom in float64, as scikit-image's resize calls it), windows with step 0.5 and Gaussian weights, half
precision sums, linear resampling of each class's logits, argmax, NIfTI. Classes are resampled one by one from half to
float64, and no softmax is taken, as nnU-Net 2.6 does: it takes less memory and time than 2.5.1.

Set-up (Debian 12): apt-get install python3-torch python3-scipy python3-nibabel; run it with /usr/bin/python3.
usage: pytorch_nnunet.py --make MODEL_DIR [--features 32] [--classes 3] [--spacing 1.5]   (a trained folder, random weights)
       OMP_NUM_THREADS=2 pytorch_nnunet.py --model MODEL_DIR --windows 4
       OMP_NUM_THREADS=2 pytorch_nnunet.py --model MODEL_DIR --image ct_0000.nii.gz --out ct.nii.gz
Prints one JSON object: milliseconds of wall and processor time per window, or seconds of the parts of a case.
"""
import argparse, itertools, json, os, time
import numpy as np, torch, torch.nn.functional as F

ap = argparse.ArgumentParser()
ap.add_argument('--make')
ap.add_argument('--features', type=int, default=32)
ap.add_argument('--classes', type=int, default=3)
ap.add_argument('--spacing', type=float, default=1.5)
ap.add_argument('--patch', type=int, default=128)
ap.add_argument('--model')
ap.add_argument('--windows', type=int, default=0)
ap.add_argument('--image')
ap.add_argument('--out')
ap.add_argument('--device', default='cpu', help='cpu or cuda')
ap.add_argument('--amp', action='store_true', help='half precision on cuda')
a = ap.parse_args()
torch.set_num_threads(int(os.environ.get('OMP_NUM_THREADS', 2)))
torch.manual_seed(1)
STAGES = 6


def widths(first):
    return [min(first * 2 ** stage, 10 * first) for stage in range(STAGES)]


def make(folder):
    features, w = widths(a.features), {}

    def conv(name, o, i, k=3):
        # Scaled for leaky ReLU, as nnU-Net initializes its networks.
        w[name + '.weight'] = torch.randn(o, i, k, k, k) * (2 / (1.0001 * i * k ** 3)) ** 0.5
        w[name + '.bias'] = torch.zeros(o)

    def block(name, o, i):
        conv(name + '.conv', o, i)
        w[name + '.norm.weight'], w[name + '.norm.bias'] = torch.ones(o), torch.zeros(o)

    for s, f in enumerate(features):
        block(f'encoder.stages.{s}.0.convs.0', f, features[s - 1] if s else 1)
        block(f'encoder.stages.{s}.0.convs.1', f, f)
    for d in range(STAGES - 1):
        below, f = features[STAGES - 1 - d], features[STAGES - 2 - d]
        w[f'decoder.transpconvs.{d}.weight'] = torch.randn(below, f, 2, 2, 2) * (1 / below) ** 0.5
        w[f'decoder.transpconvs.{d}.bias'] = torch.zeros(f)
        block(f'decoder.stages.{d}.convs.0', f, 2 * f)
        block(f'decoder.stages.{d}.convs.1', f, f)
        conv(f'decoder.seg_layers.{d}', a.classes, f, 1)
    fold = os.path.join(folder, 'fold_0')
    os.makedirs(fold)
    torch.save({
        'network_weights': w, 'trainer_name': 'nnUNetTrainer', 'inference_allowed_mirroring_axes': (0, 1, 2),
        'init_args': {'configuration': '3d_fullres', 'fold': 0},
    }, os.path.join(fold, 'checkpoint_final.pth'))
    resample = {'is_seg': False, 'order': 3, 'order_z': 0, 'force_separate_z': None}
    configuration = {
        'data_identifier': 'bench', 'preprocessor_name': 'DefaultPreprocessor', 'batch_size': 2,
        'patch_size': [a.patch] * 3, 'spacing': [a.spacing] * 3,
        'normalization_schemes': ['CTNormalization'], 'use_mask_for_norm': [False],
        'resampling_fn_data': 'resample_data_or_seg_to_shape', 'resampling_fn_data_kwargs': resample,
        'resampling_fn_probabilities': 'resample_data_or_seg_to_shape',
        'resampling_fn_probabilities_kwargs': {**resample, 'order': 1},
        'architecture': {
            'network_class_name': 'dynamic_network_architectures.architectures.unet.PlainConvUNet',
            'arch_kwargs': {
                'n_stages': STAGES, 'features_per_stage': features, 'conv_op': 'torch.nn.modules.conv.Conv3d',
                'kernel_sizes': [[3, 3, 3]] * STAGES, 'strides': [[1, 1, 1]] + [[2, 2, 2]] * (STAGES - 1),
                'n_conv_per_stage': [2] * STAGES, 'n_conv_per_stage_decoder': [2] * (STAGES - 1), 'conv_bias': True,
                'norm_op': 'torch.nn.modules.instancenorm.InstanceNorm3d', 'norm_op_kwargs': {'eps': 1e-5, 'affine': True},
                'dropout_op': None, 'dropout_op_kwargs': None,
                'nonlin': 'torch.nn.LeakyReLU', 'nonlin_kwargs': {'inplace': True},
            },
        },
    }
    plans = {
        'dataset_name': 'Dataset999_Bench', 'plans_name': 'nnUNetPlans', 'image_reader_writer': 'SimpleITKIO',
        'transpose_forward': [0, 1, 2], 'transpose_backward': [0, 1, 2], 'label_manager': 'LabelManager',
        'configurations': {'3d_fullres': configuration},
        'foreground_intensity_properties_per_channel': {
            '0': {'mean': 99.48, 'std': 37.14, 'percentile_00_5': -41, 'percentile_99_5': 176},
        },
    }
    labels = {'background': 0, **{f'organ{i}': i for i in range(1, a.classes)}}
    dataset = {'channel_names': {'0': 'CT'}, 'labels': labels, 'numTraining': 1, 'file_ending': '.nii.gz'}
    for name, content in [('plans', plans), ('dataset', dataset)]:
        with open(os.path.join(folder, name + '.json'), 'w') as file:
            json.dump(content, file)


def network(w):
    w = {name: value.to(a.device) for name, value in w.items()}

    def block(name, x, stride=1):
        x = F.conv3d(x, w[name + '.conv.weight'], w[name + '.conv.bias'], stride=stride, padding=1)
        x = F.instance_norm(x, weight=w[name + '.norm.weight'], bias=w[name + '.norm.bias'], eps=1e-5)
        return F.leaky_relu_(x, 0.01)

    def run(x):
        skips = []
        for s in range(STAGES):
            x = block(f'encoder.stages.{s}.0.convs.0', x, 2 if s else 1)
            x = block(f'encoder.stages.{s}.0.convs.1', x)
            skips.append(x)
        skips.pop()
        for d in range(STAGES - 1):
            up = F.conv_transpose3d(x, w[f'decoder.transpconvs.{d}.weight'], w[f'decoder.transpconvs.{d}.bias'], stride=2)
            x = torch.cat([up, skips.pop()], 1)
            del up
            x = block(f'decoder.stages.{d}.convs.0', x)
            x = block(f'decoder.stages.{d}.convs.1', x)
        last = f'decoder.seg_layers.{STAGES - 2}'
        return F.conv3d(x, w[last + '.weight'], w[last + '.bias'])

    def half(x):
        with torch.autocast('cuda', dtype=torch.float16):
            return run(x)

    return half if a.amp else run


def synchronize():
    if a.device == 'cuda':
        torch.cuda.synchronize()


def zoom(x, shape, order):
    """scikit-image's resize with mode='edge', anti_aliasing=False and clip=True."""
    from scipy.ndimage import zoom as scipy_zoom
    y = scipy_zoom(x.astype(np.float64), [n / m for n, m in zip(shape, x.shape)], order=order, mode='nearest', grid_mode=True)
    return np.clip(y, x.min(), x.max(), out=y)


def gaussian(patch):
    line = np.exp(-0.5 * ((np.arange(patch) - patch // 2) / (patch / 8)) ** 2)
    g = torch.from_numpy(10 * line[:, None, None] * line[None, :, None] * line[None, None, :]).half()
    g[g == 0] = g[g != 0].min()
    return g


def starts(n, patch):
    number = int(np.ceil((n - patch) / (patch / 2))) + 1
    return [round(i * (n - patch) / max(1, number - 1)) for i in range(number)]


def slide(run, data, patch, classes):
    low = [max(0, patch - n) // 2 for n in data.shape]
    high = [max(0, patch - n) - l for n, l in zip(data.shape, low)]
    x = torch.from_numpy(np.pad(data, list(zip(low, high)))).to(a.device)
    sums = torch.zeros((classes, *x.shape), dtype=torch.half, device=a.device)
    weights, g = torch.zeros(x.shape, dtype=torch.half, device=a.device), gaussian(patch).to(a.device)
    for corner in itertools.product(*[starts(n, patch) for n in x.shape]):
        place = tuple(slice(at, at + patch) for at in corner)
        out = run(x[place][None, None])[0]
        sums[(slice(None), *place)] += out * g
        weights[place] += g
    sums /= weights
    inside = tuple(slice(l, l + n) for l, n in zip(low, data.shape))
    return sums[(slice(None), *inside)].cpu().numpy()


def segment(folder, image, out):
    import nibabel as nib
    from scipy.ndimage import binary_fill_holes
    plans = json.load(open(os.path.join(folder, 'plans.json')))
    plan = plans['configurations']['3d_fullres']
    properties = plans['foreground_intensity_properties_per_channel']['0']
    checkpoint = torch.load(os.path.join(folder, 'fold_0', 'checkpoint_final.pth'), map_location='cpu')
    w = checkpoint['network_weights']
    run = network(w)
    classes = w[f'decoder.seg_layers.{STAGES - 2}.bias'].numel()
    begin = time.perf_counter()
    file = nib.load(image)
    data = np.ascontiguousarray(np.asarray(file.dataobj).T.astype(np.float32))
    spacing = [float(mm) for mm in file.header.get_zooms()[::-1]]
    mask = binary_fill_holes(data != 0)
    box = []
    for axis in range(3):
        inside = np.flatnonzero(mask.any(tuple(k for k in range(3) if k != axis)))
        box.append(slice(inside[0], inside[-1] + 1))
    del mask
    cropped = data[tuple(box)].copy()
    full = data.shape
    del data
    np.clip(cropped, properties['percentile_00_5'], properties['percentile_99_5'], out=cropped)
    cropped -= properties['mean']
    cropped /= max(properties['std'], 1e-8)
    shape = [round(mm / to * n) for mm, to, n in zip(spacing, plan['spacing'], cropped.shape)]
    before = cropped.shape
    resampled = zoom(cropped, shape, 3).astype(np.float32)
    del cropped
    prepared = time.perf_counter()
    with torch.no_grad():
        logits = slide(run, resampled, plan['patch_size'][0], classes)
    del resampled
    inferred = time.perf_counter()
    whole = np.empty((classes, *before), np.half)
    for c in range(classes):
        whole[c] = zoom(logits[c], before, 1)
    del logits
    labels = np.zeros(full, np.uint8)
    labels[tuple(box)] = torch.from_numpy(whole).argmax(0).numpy()
    del whole
    nib.save(nib.Nifti1Image(labels.T, file.affine), out)
    end = time.perf_counter()
    print(json.dumps({
        'total_s': end - begin, 'pre_s': prepared - begin, 'infer_s': inferred - prepared, 'post_s': end - inferred,
        'shape': list(shape),
    }))


def time_windows(folder, count):
    checkpoint = torch.load(os.path.join(folder, 'fold_0', 'checkpoint_final.pth'), map_location='cpu')
    run = network(checkpoint['network_weights'])
    patch = json.load(open(os.path.join(folder, 'plans.json')))['configurations']['3d_fullres']['patch_size']
    walls, cpus = [], []
    with torch.no_grad():
        x = torch.randn(1, 1, *patch, device=a.device)
        for _ in range(count + 1):
            wall, cpu = time.perf_counter(), time.process_time()
            run(x)
            synchronize()
            walls.append(time.perf_counter() - wall)
            cpus.append(time.process_time() - cpu)
    # The first run allocates memory.
    print(json.dumps({'ms_per_window_median': 1000 * float(np.median(walls[1:])), 'cpu_ms': 1000 * float(np.median(cpus[1:]))}))


if a.make:
    make(a.make)
elif a.windows:
    time_windows(a.model, a.windows)
else:
    segment(a.model, a.image, a.out)
