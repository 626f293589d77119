import { InvalidSelector } from './errors.js';

/** One requirement on a server's labels. */
export type Requirement =
  | { readonly operator: 'in'; readonly key: string; readonly values: readonly string[] }
  | { readonly operator: 'not-in'; readonly key: string; readonly values: readonly string[] }
  | { readonly operator: 'exists'; readonly key: string }
  | { readonly operator: 'absent'; readonly key: string };

/** Requirements that must all hold; none: every server matches. */
export type Selector = readonly Requirement[];

const key = '[A-Za-z0-9](?:[A-Za-z0-9._/-]*[A-Za-z0-9])?';
const value = '[A-Za-z0-9._/:-]*';
const setForm = new RegExp(`^(${key})\\s+(in|notin)\\s*\\(([^()]*)\\)$`);
const comparison = new RegExp(`^(${key})\\s*(=|==|!=)\\s*(${value})$`);
const presence = new RegExp(`^(!?)\\s*(${key})$`);
const wholeValue = new RegExp(`^${value}$`);

/**
 * Parses `key=value`, `key!=value`, `key in (a,b)`, `key notin (a,b)`, `key` and `!key`, joined by
 * commas that mean "and".
 * @throws InvalidSelector
 */
export function parseSelector(text: string): Selector {
  return splitOutsideParentheses(text).map((part) => parseRequirement(part.trim(), text));
}

/**
 * Whether labels meet all requirements. A server without the label meets `!=` and `notin`, and no
 * `=` or `in`.
 */
export function matches(selector: Selector, labels: ReadonlyMap<string, string>): boolean {
  return selector.every((requirement) => meets(requirement, labels));
}

function meets(requirement: Requirement, labels: ReadonlyMap<string, string>): boolean {
  const label = labels.get(requirement.key);
  switch (requirement.operator) {
    case 'in':
      return label !== undefined && requirement.values.includes(label);
    case 'not-in':
      return label === undefined || !requirement.values.includes(label);
    case 'exists':
      return label !== undefined;
    case 'absent':
      return label === undefined;
  }
}

function parseRequirement(part: string, whole: string): Requirement {
  if (part === '') throw new InvalidSelector(whole, 'a requirement is empty');
  const set = setForm.exec(part);
  if (set) {
    const [, name = '', operator, list = ''] = set;
    return {
      operator: operator === 'in' ? 'in' : 'not-in',
      key: name,
      values: parseValues(list, whole),
    };
  }
  const compared = comparison.exec(part);
  if (compared) {
    const [, name = '', operator, wanted = ''] = compared;
    return { operator: operator === '!=' ? 'not-in' : 'in', key: name, values: [wanted] };
  }
  const present = presence.exec(part);
  if (present) {
    const [, negation, name = ''] = present;
    return { operator: negation ? 'absent' : 'exists', key: name };
  }
  throw new InvalidSelector(whole, `${JSON.stringify(part)} is no requirement`);
}

function parseValues(list: string, whole: string): string[] {
  return list.split(',').map((item) => {
    const trimmed = item.trim();
    if (trimmed === '') throw new InvalidSelector(whole, 'a list of values has an empty item');
    if (!wholeValue.test(trimmed)) {
      throw new InvalidSelector(whole, `${JSON.stringify(trimmed)} is no label value`);
    }
    return trimmed;
  });
}

/** Commas inside parentheses separate values, not requirements. */
function splitOutsideParentheses(text: string): string[] {
  return text.split(/,(?![^(]*\))/);
}
