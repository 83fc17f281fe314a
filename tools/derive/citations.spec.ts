import { describe, expect, it } from 'vitest';
import { deadCitations, sectionsOf } from './citations.js';

const CONTRACT = [
  '# The contract',
  '## 1. Conventions',
  '- a list',
  '## 7. The promises',
  '1. **Nothing is lost.**',
  '2. **In order.**',
].join('\n');

describe('citations of the contract', () => {
  it('name a chapter, or an item of a numbered list in one', () => {
    expect([...sectionsOf(CONTRACT)]).toEqual(['1', '7', '7.1', '7.2']);
  });

  it('are dead where there is no such section', () => {
    const cite = (section: string): string => `contract ${'§'}${section}`; // not to be found here by the check itself
    const text = [`Says ${cite('7')}.`, `Says ${cite('7.2')}, and ${cite('1')}.`, `Says ${cite('7.3')} and ${cite('9')}`].join(
      '\n',
    );
    expect(deadCitations(text, sectionsOf(CONTRACT))).toEqual([
      { section: '7.3', line: 3 },
      { section: '9', line: 3 },
    ]);
  });

  it('are each looked at where several are cited at once', () => {
    const cite = (sections: string): string => `contract ${sections}`; // as above
    const text = [
      cite('§7 and §7.5'),
      cite('§1, §7.1, §8, and §9.'),
      cite('§1 to §3.'),
      cite('"Words", §4 and §7.2'),
      `${cite('§1')}; RFC 9110 §8`,
    ].join('\n');
    expect(deadCitations(text, sectionsOf(CONTRACT)).map(({ section, line }) => [section, line])).toEqual([
      ['7.5', 1],
      ['8', 2],
      ['9', 2],
      ['3', 3],
      ['4', 4],
    ]);
  });
});
