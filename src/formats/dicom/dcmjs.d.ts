/** The part of the package, which has no types, that is used. */
declare module 'dcmjs' {
  const dcmjs: {
    readonly data: {
      /**
       * A file's bytes from a data set with attributes by keyword; `_vrMap` gives representations that a
       * keyword leaves open.
       */
      datasetToBuffer(dataSet: object): Buffer;
    };
    readonly log: { setLevel(level: string): void };
  };
  export default dcmjs;
}
