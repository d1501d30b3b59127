// Unpacks what the browser can unpack by itself, never to more than was
// promised. It refuses to know what is packed.

import { TraceError } from "./limits.ts";

type Packing = "deflate" | "gzip";

/** Exactly `size` bytes out of a packed stream. */
export async function inflate(packed: Uint8Array, size: number): Promise<Uint8Array> {
  const whole = new Uint8Array(size);
  let filled = 0;
  await unpack(new Blob([packed as BlobPart]).stream(), "deflate", (chunk) => {
    if (filled + chunk.length > size) throw new TraceError("a block unpacks to more than it says");
    whole.set(chunk, filled);
    filled += chunk.length;
  });
  if (filled < size) throw new TraceError("a block unpacks to less than it says");
  return whole;
}

/** Hands over what comes out of a packed stream, piece by piece. */
export async function unpack(
  packed: ReadableStream<BufferSource>,
  packing: Packing,
  take: (chunk: Uint8Array) => void | Promise<void>,
): Promise<void> {
  const stream = packed.pipeThrough(new DecompressionStream(packing) as unknown as TransformStream<BufferSource, Uint8Array>);
  const reader = stream.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      await take(value);
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}
