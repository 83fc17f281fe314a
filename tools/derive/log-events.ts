import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import ts from 'typescript';

const LEVELS = new Set(['trace', 'debug', 'info', 'warn', 'error', 'fatal']);
/** The Kafka client's own lines are the only ones. */
const UNKNOWN = 'as the client logs it';
const EVENT = /^[a-z_]+(\.[a-z_]+)+$/;
const FOLDERS = ['apps', 'libs'];

/** A line that the code may log. */
export interface LogEvent {
  readonly name: string;
  readonly level: string;
}

/**
 * Collects what a source file logs: calls such as `logger.warn({ … }, 'bus.unreachable')`. Where name or level is chosen on the spot
 * (`isLate ? 'a.b' : 'a.c'`), each counts. Pure.
 */
export function eventsOf(source: string): LogEvent[] {
  const events: LogEvent[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isCallExpression(node)) {
      const names = node.arguments.length > 0 ? textsOf(node.arguments.at(-1)!).filter((text) => EVENT.test(text)) : [];
      const levels = levelsOf(node.expression);
      // Chosen together: `logger[isLate ? 'warn' : 'info'](isLate ? 'a.late' : 'a.early')`.
      if (names.length > 1 && levels.length === names.length)
        events.push(...names.map((name, at) => ({ name, level: levels[at]! })));
      else for (const level of levels) events.push(...names.map((name) => ({ name, level })));
    }
    ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile('source.ts', source, ts.ScriptTarget.Latest));
  return events;
}

/** Lists every event of the services and the command line, by name; the console logs nothing. */
export async function logEvents(root: string): Promise<LogEvent[]> {
  const events = new Map<string, LogEvent>();
  for (const folder of FOLDERS) {
    const files = await readdir(join(root, folder), { recursive: true });
    for (const file of files.filter((name) => /(?<!\.(spec|test|d))\.ts$/.test(name) && !name.startsWith('console/'))) {
      for (const event of eventsOf(await readFile(join(root, folder, file), 'utf8')))
        events.set(`${event.name} ${event.level}`, event);
    }
  }
  return [...events.values()].toSorted((a, b) => a.name.localeCompare(b.name) || a.level.localeCompare(b.level));
}

/** Of `logger.warn`, or `logger[isLate ? 'info' : 'warn']`; of any other `logger[…]` only the run knows it. Empty: no logger's method. */
function levelsOf(callee: ts.Expression): string[] {
  if (!ts.isElementAccessExpression(callee) && !ts.isPropertyAccessExpression(callee)) return [];
  if (!isLogger(callee.expression)) return [];
  if (ts.isPropertyAccessExpression(callee)) return LEVELS.has(callee.name.text) ? [callee.name.text] : [];
  const chosen = textsOf(callee.argumentExpression);
  return chosen.length > 0 ? chosen : [UNKNOWN];
}

function isLogger(expression: ts.Expression): boolean {
  const name = ts.isPropertyAccessExpression(expression) ? expression.name : expression;
  return ts.isIdentifier(name) && /^log(ger)?$/i.test(name.text);
}

function textsOf(expression: ts.Expression): string[] {
  if (ts.isStringLiteralLike(expression)) return [expression.text];
  if (ts.isConditionalExpression(expression)) return [...textsOf(expression.whenTrue), ...textsOf(expression.whenFalse)];
  return [];
}
