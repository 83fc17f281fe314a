import { Module } from '@nestjs/common';
import { OpenStreams } from './open-streams.js';

/** Server-Sent Events, whatever they tell of: places, keep-alive, and who may go on reading. */
@Module({
  providers: [OpenStreams],
  exports: [OpenStreams],
})
export class StreamsModule {}

export { EventStream, describeStream } from './event-stream.js';
export { RESET_REASONS, frameOf, hintFrame, type ResetReason } from './frames.js';
export { LogBatch, type LogFrame } from './log-batch.js';
export { OpenStreams, type StreamOwner } from './open-streams.js';
export { STREAM_EXAMPLES } from './stream-examples.js';
