import { InvalidArgumentError, type Command } from 'commander';
import { readSettings } from '#runtime';
import type { Terminal } from './database.js';
import { checkSettings, runChecks } from './doctor/checks.js';
import type { Finding } from './doctor/finding.js';
import { asJson } from './output.js';

/** Two of each service, as a small installation has them. */
const USUAL_INSTANCES = 6;
/** A resolver that is known to be there. */
const PUBLIC_ADDRESS = '1.1.1.1:443';
const MARKS = { ok: 'ok     ', warning: 'WARNING', error: 'ERROR  ' } as const;

/** Adds `doctor`: looks at settings, database, broker and what is around them, writes nothing, and says what is wrong and what to do. */
export function addDoctorCommand(program: Command, terminal: Terminal): void {
  program
    .command('doctor')
    .description('Checks settings, database and broker, and says what is wrong and what to do. Writes nothing.')
    .option('--json', 'answer as JSON')
    .option('--instances <n>', 'number of running instances, of all three services', wholeNumber, USUAL_INSTANCES)
    .option('--probe <host:port>', 'a public address that must be reachable', hostAndPort, PUBLIC_ADDRESS)
    .addHelpText('after', '\nExit code: 1 if a check found an error, else 0, also with warnings.')
    .action(async (options: { json?: true; instances: number; probe: string }) => {
      const { settings, findings } = checkSettings(() => readSettings(terminal.env));
      if (settings) findings.push(...(await runChecks(settings, options)));
      terminal.write(options.json ? asJson({ status: worstOf(findings), findings }) : describe(findings));
      const errors = findings.filter(({ status }) => status === 'error').length;
      if (errors > 0) throw new Error(`${errors} of ${findings.length} checks found something wrong`);
    });
}

function worstOf(findings: readonly Finding[]): Finding['status'] {
  if (findings.some(({ status }) => status === 'error')) return 'error';
  return findings.some(({ status }) => status === 'warning') ? 'warning' : 'ok';
}

function describe(findings: readonly Finding[]): string {
  return findings
    .map(({ check, status, found, remedy }) => `${MARKS[status]}  ${check}: ${found}\n${remedy ? `         → ${remedy}\n` : ''}`)
    .join('');
}

function wholeNumber(text: string): number {
  if (!/^[1-9]\d{0,3}$/.test(text)) throw new InvalidArgumentError('must be a whole number from 1 to 9999');
  return Number(text);
}

function hostAndPort(text: string): string {
  if (!/^(\[[^\]]+\]|[^:\s]+):\d{1,5}$/.test(text)) throw new InvalidArgumentError('must be host:port');
  return text;
}
