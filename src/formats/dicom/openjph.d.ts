/** The part of the package, which has no types, that is used. */
declare module '@cornerstonejs/codec-openjph' {
  interface Decoder {
    /** Room for the bytes of a frame. */
    getEncodedBuffer(length: number): Uint8Array;
    decode(): void;
    getFrameInfo(): {
      readonly width: number;
      readonly height: number;
      readonly bitsPerSample: number;
      readonly componentCount: number;
      readonly isSigned: boolean;
    };
    getDecodedBuffer(): Uint8Array;
    delete(): void;
  }
  export default function load(): Promise<{ readonly HTJ2KDecoder: new () => Decoder }>;
}
