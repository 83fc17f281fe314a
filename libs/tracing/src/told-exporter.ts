import type { ReadableSpan, SpanExporter } from '@opentelemetry/sdk-trace';
import type { Logger } from '#runtime';

type Callback = Parameters<SpanExporter['export']>[1];
type Result = Parameters<Callback>[0];

/** `ExportResultCode.SUCCESS`, whose package we would need for this alone. */
const EXPORTED = 0 as Result['code'];

/** Of what a collector answers. */
const MAX_REASON = 200;

/** Exports spans, and says once that the collector does not take them, and once that it does again. */
export class ToldExporter implements SpanExporter {
  /** Since the collector was last well. */
  private lost = 0;

  constructor(
    private readonly inner: SpanExporter,
    private readonly logger: Logger,
  ) {}

  export(spans: ReadableSpan[], done: Callback): void {
    this.inner.export(spans, (result) => {
      if (result.code === EXPORTED) this.succeeded();
      else this.failed(spans.length, result.error);
      done(result);
    });
  }

  shutdown(): Promise<void> {
    return this.inner.shutdown();
  }

  private failed(spans: number, error: Error | undefined): void {
    if (this.lost === 0) {
      const reason = (error?.message || 'no answer').slice(0, MAX_REASON);
      this.logger.warn({ reason, spans }, 'tracing.export_failed');
    }
    this.lost += spans;
  }

  private succeeded(): void {
    if (this.lost > 0) this.logger.info({ lost: this.lost }, 'tracing.export_recovered');
    this.lost = 0;
  }
}
