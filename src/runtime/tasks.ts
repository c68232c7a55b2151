/**
 * What worker threads can do, by name: the kernels of `volume/` and the file formats. Arguments and results cross
 * threads by structured clone, so they are plain data; voxel arrays on SharedArrayBuffers are shared, not copied.
 */
export const tasks = {};

export type Tasks = typeof tasks;
export type TaskName = keyof Tasks;
