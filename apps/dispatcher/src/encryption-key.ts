import { StartError, type PeriodicWork } from '#runtime';

const WATCH_MS = 10_000;

/**
 * Makes sure that our key opens the signing secrets in the database. A new database has none: then it is looked at again and again,
 * until the first one is there.
 *
 * @param keyFits whether our key is known to open them; false: nothing can be said yet
 * @param fail told when another key than ours turns up later
 * @throws StartError when it is there already
 */
export async function watchKey(
  work: PeriodicWork,
  keyFits: () => Promise<boolean>,
  fail: (reason: string) => void = () => undefined,
): Promise<void> {
  let isKnown = await keyFits();
  work.every(WATCH_MS, async () => {
    if (isKnown) return;
    try {
      isKnown = await keyFits();
    } catch (error) {
      if (!(error instanceof StartError)) throw error;
      fail(error.message);
    }
  });
}
