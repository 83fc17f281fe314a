/**
 * What a service is started with, beside its settings, so that its memory stays within its bounds (ADR 14). The image has the
 * same in deploy/Dockerfile; whoever runs a service without the image sets it there.
 */
export const SERVICE_ENVIRONMENT = {
  /**
   * MiB. V8 sizes its heap for the machine: on a large one it lets garbage lie to several times of what is alive. A dispatcher
   * at full load has some 60 MiB alive.
   */
  NODE_OPTIONS: '--max-semi-space-size=32 --max-old-space-size=256',
  /** Bytes. glibc keeps what is freed at the top of its heap up to this; unset, it is raised to the largest block ever freed. */
  MALLOC_TRIM_THRESHOLD_: '131072',
} as const;
