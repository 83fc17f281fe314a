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
});
