// Runs every test, and once more, alone, those files in which something failed: a test that passes then is counted and named as
// unsteady, one that fails twice has failed. Writes {"passed", "failed"} to the file named by the first argument.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';

/** More than this is no bad luck. */
const MOST_FILES_AGAIN = 3;

/** @returns what each file's tests came to, and whether all is well @throws where the tests did not run to their end */
function run(files) {
  const folder = mkdtempSync(join(tmpdir(), 'rollcall-ci-'));
  try {
    const report = join(folder, 'report.json');
    const args = ['test', '--silent', '--', ...files, '--reporter=default', '--reporter=json', `--outputFile.json=${report}`];
    const { status } = spawnSync('npm', args, { stdio: 'inherit' });
    const { testResults } = JSON.parse(readFileSync(report, 'utf8'));
    return { isWell: status === 0, files: testResults.map(summaryOf) };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function summaryOf({ name, status, assertionResults }) {
  const names = (wanted) => assertionResults.filter((test) => test.status === wanted).map(({ fullName }) => fullName);
  return {
    file: relative(process.cwd(), name),
    hasFailed: status === 'failed',
    passed: names('passed'),
    failed: names('failed'),
  };
}

function count(files, isWell) {
  const failed = files.reduce((sum, file) => sum + file.failed.length, 0);
  return {
    passed: files.reduce((sum, file) => sum + file.passed.length, 0),
    // A file that cannot be loaded has no test that failed, nor has an error that no test waited for.
    failed: isWell ? 0 : Math.max(1, failed),
  };
}

function runTwice() {
  const first = run([]);
  const again = first.files.filter(({ hasFailed }) => hasFailed);
  if (again.length === 0 || again.length > MOST_FILES_AGAIN) return count(first.files, first.isWell);
  console.log(`\n== tests: once more, alone: ${again.map(({ file }) => file).join(', ')}`);
  const second = run(again.map(({ file }) => file));
  for (const { file, failed } of again) {
    const now = second.files.find((other) => other.file === file);
    if (failed.length === 0 && now?.hasFailed === false) console.log(`UNSTEADY, failed and then passed: ${file}`);
    for (const name of failed) if (now?.passed.includes(name)) console.log(`UNSTEADY, failed and then passed: ${file} > ${name}`);
  }
  return count([...first.files.filter(({ hasFailed }) => !hasFailed), ...second.files], second.isWell);
}

const [, , output] = process.argv;
const result = runTwice();
writeFileSync(output, JSON.stringify(result));
process.exitCode = result.failed === 0 ? 0 : 1;
