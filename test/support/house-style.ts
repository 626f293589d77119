import { parseSync } from '@swc/core';

const longestFile = 300;
const longestFunction = 60;
const longestLine = 100;

/** Where real time, chance and sockets may be used; elsewhere they are passed in. */
const hostPlaces = [
  /(^|\/)adapters\//,
  /(^|\/)main\.ts$/,
  /^libs\/testkit\//,
  /^test\//,
  /^services\/console\/web\//,
];
const frameworkPlaces = [
  /(^|\/)adapters\//,
  /(^|\/)main\.ts$/,
  /\.module\.ts$/,
  /\.spec\.tsx?$/,
  /^services\/[^/]+\/service\.ts$/,
  /^libs\/nest-jetstream\//,
  /^(deploy|test)\//,
];
const forbiddenImports = [
  { modules: /^(@nestjs\/|@nats-io\/|typeorm$|nats$)/, places: frameworkPlaces },
  { modules: /^(node:)?(dgram|timers|timers\/promises)$/, places: hostPlaces },
];
const forbiddenNames =
  /^((globalThis\.)?(setTimeout|setInterval)|Date\.now|Math\.random|new Date\(\))$/;
const reducedTests = /^((describe|it|test)\.(only|skip|todo)|[fx](describe|it|test))$/;
const declaresTests = /^(describe|it|test)(\.each)?$/;
const unfinished = new RegExp(`\\b(TO${'DO'}|FIX${'ME'}|XX${'X'})\\b`);
const barrels = ['libs/contracts/index.ts'];

const functionTypes = new Set([
  'FunctionDeclaration',
  'FunctionExpression',
  'ArrowFunctionExpression',
  'ClassMethod',
  'PrivateMethod',
  'Constructor',
  'MethodProperty',
  'GetterProperty',
  'SetterProperty',
]);

/** What the house style says against a source file, each as `path:line: what`. */
export function violationsOf(path: string, text: string): string[] {
  const found = [...violationsOfText(path, text), ...violationsOfSyntax(path, text)];
  return found.map(({ line, what }) => `${path}:${line}: ${what}`);
}

interface Violation {
  readonly line: number;
  readonly what: string;
}

function violationsOfText(path: string, text: string): Violation[] {
  const lines = text.replace(/\n$/, '').split('\n');
  const found: Violation[] = [];
  if (/(^|\/)index\.tsx?$/.test(path) && !barrels.includes(path)) {
    found.push({ line: 1, what: 'a barrel' });
  }
  if (lines.length > longestFile) {
    found.push({ line: lines.length, what: `${lines.length} lines, at most ${longestFile}` });
  }
  lines.forEach((content, index) => {
    const line = index + 1;
    const length = [...content].length;
    if (length > longestLine) {
      found.push({ line, what: `${length} characters, at most ${longestLine}` });
    }
    if (unfinished.test(content)) found.push({ line, what: 'unfinished business' });
  });
  return found;
}

interface Node {
  readonly type: string;
  readonly span?: { readonly start: number; readonly end: number };
  readonly [field: string]: unknown;
}

function violationsOfSyntax(path: string, text: string): Violation[] {
  // Positions count bytes from an origin of the parser's own; the first statement shows it.
  const statements = `;${text.replace(/^#!/, '//')}`;
  const module = parseSync(statements, {
    syntax: 'typescript',
    tsx: path.endsWith('x'),
    decorators: true,
  });
  const bytes = Buffer.from(statements);
  const lineAt = (position: number) =>
    bytes
      .subarray(0, position - module.span.start)
      .toString()
      .split('\n').length;
  const found: Violation[] = [];
  visit(module as unknown as Node, (node) => {
    const { start, end } = node.span ?? module.span;
    const line = lineAt(start);
    const report = (what: string) => found.push({ line, what });
    if (functionTypes.has(node.type) && !isSuite(node)) {
      const length = lineAt(end - 1) - line + 1;
      if (length > longestFunction) {
        report(`a function of ${length} lines, at most ${longestFunction}`);
      }
    }
    const name = nameOf(node);
    if (reducedTests.test(name)) report(`${name}: every test runs`);
    if (forbiddenNames.test(name) && !isIn(path, hostPlaces)) report(`${name}: take a Clock`);
    const imported = importOf(node);
    for (const { modules, places } of forbiddenImports) {
      if (modules.test(imported) && !isIn(path, places)) report(`imports ${imported}`);
    }
  });
  return found;
}

function visit(node: Node, callback: (node: Node) => void): void {
  callback(node);
  for (const [field, value] of Object.entries(node)) {
    // The name of a property is not a use of what has that name elsewhere.
    if (['property', 'key'].includes(field) && isNode(value) && value.type === 'Identifier') {
      continue;
    }
    for (const child of Array.isArray(value) ? value : [value]) {
      if (isNode(child)) visit(child, callback);
      // The arguments of a call are wrapped once more.
      else if (isNode(child?.expression)) visit(child.expression, callback);
    }
  }
}

/** A function that declares tests may be long: it is a list. */
function isSuite(node: Node): boolean {
  const { stmts = [] } = (node.body ?? {}) as { stmts?: { expression?: Node }[] };
  return stmts.some(({ expression }) => expression && declaresTests.test(nameOf(expression)));
}

function isNode(value: unknown): value is Node {
  return typeof (value as Node | undefined)?.type === 'string';
}

/** The dotted name that a node stands for, as `Date.now`; empty for all else. */
function nameOf(node: Node): string {
  if (node.type === 'Identifier') return String(node.value);
  if (node.type === 'CallExpression') return nameOf(node.callee as Node);
  if (node.type === 'NewExpression') {
    const isBare = ((node.arguments as unknown[] | undefined) ?? []).length === 0;
    return isBare ? `new ${nameOf(node.callee as Node)}()` : '';
  }
  if (node.type !== 'MemberExpression') return '';
  return `${nameOf(node.object as Node)}.${nameOf(node.property as Node)}`;
}

function importOf(node: Node): string {
  const importing = ['ImportDeclaration', 'ExportNamedDeclaration', 'ExportAllDeclaration'];
  if (importing.includes(node.type)) return String((node.source as Node | null)?.value ?? '');
  if (node.type !== 'CallExpression' || (node.callee as Node).type !== 'Import') return '';
  const [first] = node.arguments as { expression: Node }[];
  return String(first?.expression.value ?? '');
}

function isIn(path: string, places: readonly RegExp[]): boolean {
  return places.some((place) => place.test(path));
}
