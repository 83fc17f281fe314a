/** Wakes a loop that has nothing to do. A wake-up that comes while the loop works makes its next wait end at once. */
export class WakeSignal {
  private woken = false;
  private wakeWaiting: (() => void) | undefined;

  wake(): void {
    this.woken = true;
    this.wakeWaiting?.();
  }

  /** Resolves at the next {@link wake}, or after `ms` milliseconds. One waits at a time. */
  async wait(ms: number): Promise<void> {
    if (!this.woken) {
      let timer: NodeJS.Timeout | undefined;
      await new Promise<void>((resolve) => {
        this.wakeWaiting = resolve;
        timer = setTimeout(resolve, ms);
      });
      clearTimeout(timer);
      this.wakeWaiting = undefined;
    }
    this.woken = false;
  }
}
