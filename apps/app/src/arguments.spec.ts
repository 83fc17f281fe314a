import { describe, expect, it } from 'vitest';
import { UsageError } from '#runtime';
import { readCommand } from './arguments.js';

const read = (line: string) => readCommand(line.split(' ').filter((word) => word !== ''));

describe('the command line', () => {
  it('is read', () => {
    const application = { app_id: 'crm', client_id: 12, access: 'call_api' };
    expect(read('create crm --client 12 --access call_api')).toEqual({ name: 'create', json: false, application });
    expect(read('create --json --access=call_api --client=12 crm')).toEqual({ name: 'create', json: true, application });
    expect(read('create --client 12 --access call_api -- -crm')).toMatchObject({ application: { app_id: '-crm' } });
    expect(read('list')).toEqual({ name: 'list', json: false, clientId: undefined });
    expect(read('list --client 0 --json')).toEqual({ name: 'list', json: true, clientId: 0 });
    expect(read('rotate crm')).toEqual({ name: 'rotate', json: false, appId: 'crm', keepPreviousSeconds: 0 });
    expect(read('rotate crm --keep-previous-for 86400')).toMatchObject({ keepPreviousSeconds: 86_400 });
    expect(read('revoke crm --json')).toEqual({ name: 'revoke', json: true, appId: 'crm' });
    for (const line of ['help', '--help', '-h', 'create --help', 'revoke -h']) expect(read(line)).toEqual({ name: 'help' });
  });

  it.each([
    ['', 'a command is required'],
    ['delete crm', 'delete is no command'],
    ['constructor', 'constructor is no command'],
    ['create', 'app_id: is required\n--client: is required\n--access: is required'],
    ['create crm --client x --access all', '--client: must be a whole number from 0 to 4294967295'],
    ['create crm --client 12 --access admin', '--access: must be one of: call_api, all, platform'],
    ['create crm two --client 12 --access all', 'two: is too much'],
    ['create crm --secret x', "Unknown option '--secret'"],
    ['list crm', 'crm: is too much'],
    ['list --client -1', '--client'],
    ['list --client 4294967296', '--client: must be a whole number from 0 to 4294967295'],
    ['rotate', 'app_id: is required'],
    ['rotate crm --keep-previous-for 1h', '--keep-previous-for: must be a whole number from 0 to 86400'],
    ['rotate crm --keep-previous-for 86401', '--keep-previous-for: must be a whole number from 0 to 86400'],
    ['revoke', 'app_id: is required'],
    ['revoke crm --keep-previous-for 1', "Unknown option '--keep-previous-for'"],
  ])('%j is refused', (line, why) => {
    expect(() => read(line)).toThrow(UsageError);
    expect(() => read(line)).toThrow(why);
  });
});
