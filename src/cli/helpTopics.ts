/** A page of `voxstream help`. */
export interface HelpTopic {
  readonly summary: string;
  readonly text: string;
}

/** The pages of `voxstream help TOPIC`, by name. */
export const helpTopics: Readonly<Record<string, HelpTopic>> = {
  start: {
    summary: 'the first segmentations',
    text: `Segment a folder of images with a model that is downloaded once:

  voxstream models pull spleen_ct_segmentation
  voxstream segment incoming results/spleen --model spleen_ct_segmentation \\
    --report

The results are results/spleen/CASE.nii.gz and
results/spleen/report/index.html. With references, add --labels DIR for
metrics. Without images of your own:

  voxstream synth data/phantoms --cases 5
  voxstream segment data/phantoms/imagesTr out --model spleen_phantom \\
    --labels data/phantoms/labelsTr`,
  },
  pipelines: {
    summary: 'pipeline files: source, steps and sinks',
    text: `A pipeline file names the cases, what happens to each, and what is written:

  source:
    glob: { image: 'in/*.nii.gz' }
  steps:
    - load
    - orient: { axcodes: RAS }
    - spacing: { pixdim: [1.5, 1.5, 2] }
  sinks:
    - nifti: { keys: image, postfix: prepared }

  voxstream validate FILE              check it, and print every option
  voxstream run FILE --dry-run         list cases; what models expect and get
  voxstream run FILE -o out --set spacing.pixdim='[1, 1, 1]'
  voxstream operators                  list all operators, sources and sinks
  voxstream segment … --save-pipeline FILE   write a file to start from

docs/guide.md and docs/operators.md have the rest.`,
  },
  inputs: {
    summary: 'images, datasets, DICOM and archives',
    text: `Files: NIfTI, NRRD, MetaImage, FreeSurfer (MGH, MGZ), HDF5, MINC, GIPL, VTK,
MRC, TIFF, DICOM. TIFF states no voxel size; give it: load: { spacing: [0.5,
0.5, 2] }.

  voxstream run FILE --input in              the source's root, or glob's folder
  source:
    glob: { image: 'in/{case}/ct.nii.gz', label: 'gt/{case}.nii.gz' }
  source: { dicom: { root: incoming.zip } }   a folder, .tar or .zip of series
  source: { decathlon: { root: Task09_Spleen.tar } }`,
  },
  resume: {
    summary: 'interrupted runs, finished folders, shards',
    text: `A run that was interrupted continues with the same command and --resume. Cases
are skipped if their files, the pipeline and the model are unchanged.

  voxstream run FILE --resume             skip finished cases that are unchanged
  voxstream run FILE --resume=checksum    compare contents
  voxstream run FILE --overwrite          run all cases again
  voxstream run FILE --shard 3/8          the third of eight parts

Failed cases are in failures.csv. --verbose writes .voxstream/run.log with the
stacks of errors.`,
  },
  machines: {
    summary: 'more than one machine: shards and queues',
    text: `Shards need nothing but a shared folder:

  voxstream run FILE --shard 3/8 -o out/part-3 --resume
  voxstream merge out/part-* -o out/all

A queue also needs a Redis or Valkey server, and the packages of
npm install bullmq ioredis:

  export VOXSTREAM_QUEUE=redis://HOST:6379/0 REDIS_PASSWORD=…
  voxstream submit FILE --input data -o out --name NAME
  voxstream work                    take cases, on each machine
  voxstream status                  runs and workers
  voxstream pause NAME              and resume, cancel, drain
  voxstream retry NAME --failed     try failed cases again
  voxstream collect out             write the tables so far

docs/scale.md says what happens when a worker or the server dies.`,
  },
  models: {
    summary: 'finding, importing and describing models',
    text: `  voxstream models list                          models here and in the registry
  voxstream models pull NAME                     download one
  voxstream models import model.pt --network UNet --config network.yaml
  voxstream models import path/to/monai_bundle
  voxstream models import nnUNetTrainer__nnUNetPlans__3d_fullres
  voxstream models info NAME                     its card, and what it costs

A model's card states what it takes: input.spacing, input.axcodes,
input.preprocessing. Runs that deliver something else warn, or stop with
--strict. docs/models.md has all fields.`,
  },
  metrics: {
    summary: 'evaluation, comparison and reports',
    text: `  voxstream evaluate --pred out --label gt -o results/eval --report
  voxstream compare results/a results/b
  voxstream report results/eval --open

Metrics in a pipeline are steps: dice, iou, hausdorff, surfaceDice,
averageSurfaceDistance, confusion. docs/metrics.md defines each of them, and
says what is assumed about labels.`,
  },
  config: {
    summary: "a user's configuration file, shell completion",
    text: `~/.config/voxstream/config.yaml (or $XDG_CONFIG_HOME/voxstream/config.yaml)
holds settings for all runs. Pipeline files and command-line options take
precedence.

  device: cuda:0
  memory: 16GiB
  inFlight: 4
  workers: 8
  cache: ~/fast/voxstream
  registry: ~/models/registry.json

Completion of commands and options in a shell:

  bash: add to ~/.bashrc:  source <(voxstream completion bash)
  zsh:  add to ~/.zshrc:   source <(voxstream completion zsh)
  fish: voxstream completion fish > ~/.config/fish/completions/voxstream.fish`,
  },
};
