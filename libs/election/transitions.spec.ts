import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { stateDiagram, stateMeanings, transitionTable } from './transitions.js';

const readme = readFileSync('libs/election/README.md', 'utf8');

describe('the README', () => {
  it('shows the transition table of the code', () => {
    expect(readme).toContain(`\n${transitionTable()}\n`);
  });

  it('draws the state diagram of the code', () => {
    expect(readme).toContain(`\`\`\`mermaid\n${stateDiagram()}\n\`\`\`\n`);
  });

  it('says what each state means', () => {
    for (const [state, meaning] of Object.entries(stateMeanings)) {
      expect(readme).toContain(`- \`${state}\`: ${meaning}\n`);
    }
  });
});
