import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { VERSION } from '#runtime';

/** Where the version of a release stands, beside package.json, which says it: of the chart, the image and the containers. */
const PLACES: Readonly<Record<string, RegExp>> = {
  'deploy/helm/rollcall/Chart.yaml': /(?<=^(?:version|appVersion): ).*$/gm,
  'deploy/Dockerfile': /(?<=^ARG VERSION=).*$/gm,
  'docker-compose.yml': /(?<=^ *image: rollcall:).*$/gm,
};

/** Makes the files of a release, with the version of package.json. */
export async function releaseFiles(root: string): Promise<Readonly<Record<string, string>>> {
  const files = Object.entries(PLACES).map(async ([file, places]) => {
    const content = await readFile(join(root, file), 'utf8');
    if (!places.test(content)) throw new Error(`${file} does not say its version any more`);
    return [file, content.replaceAll(places, VERSION)] as const;
  });
  return Object.fromEntries(await Promise.all(files));
}
