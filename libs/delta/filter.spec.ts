import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { compileFilter, type FilterRule } from './filter.js';

/** `+ pattern` or `- pattern`, as in rsync's man page. */
function rules(...lines: string[]): FilterRule[] {
  return lines.map((line) => ({ include: line.startsWith('+'), pattern: line.slice(2) }));
}

/** What a transfer takes: directories end with a slash; excluded ones are not looked into. */
function transferred(lines: string[], tree: string[]): string[] {
  const filter = compileFilter(rules(...lines));
  return tree.filter((path) => {
    const names = path.replace(/\/$/, '').split('/');
    return names.every((_, i) => {
      const isDirectory = i < names.length - 1 || path.endsWith('/');
      return filter(names.slice(0, i + 1).join('/'), isDirectory);
    });
  });
}

describe('a pattern', () => {
  // pattern, paths that it matches, paths that it does not; a directory ends with a slash
  const cases: [string, string[], string[]][] = [
    ['*.o', ['a.o', 'dir/a.o', 'dir.o/'], ['a.oo', 'a.o.c', 'dir.o/a']],
    ['/foo', ['foo', 'foo/'], ['dir/foo', 'foo2']],
    ['foo', ['foo', 'foo/', 'dir/foo', 'a/b/foo/'], ['foo/bar', 'foobar']],
    ['foo/', ['foo/', 'dir/foo/'], ['foo', 'dir/foo']],
    ['/foo/*/bar', ['foo/a/bar'], ['foo/bar', 'foo/a/b/bar', 'dir/foo/a/bar']],
    ['/foo/**/bar', ['foo/a/bar', 'foo/a/b/bar'], ['foo/bar', 'dir/foo/a/bar']],
    ['foo/bar', ['foo/bar', 'dir/foo/bar', 'a/b/foo/bar/'], ['foo', 'bar', 'dirfoo/bar']],
    ['foo/*.c', ['foo/a.c', 'dir/foo/a.c'], ['foo/b/a.c', 'a.c']],
    ['**/bar', ['bar', 'a/bar', 'a/b/bar'], ['abar', 'bar/a']],
    ['**bar', ['bar', 'abar', 'a/bar', 'a/xbar'], ['bar/a']],
    ['foo**', ['foo', 'foo/a/b', 'foobar', 'dir/foo', 'dir/foo/a'], ['dir/afoo', 'a']],
    ['foo/**', ['foo/a', 'foo/a/b', 'dir/foo/a'], ['foo', 'foo/', 'afoo/a']],
    ['a**z', ['az', 'a/z', 'dir/ab/cz'], ['dir/ba/z', 'a/zz/b']],
    ['dir_name/***', ['dir_name/', 'dir_name/a', 'a/dir_name/', 'dir_name/a/b/'], ['dir_name']],
    ['/dir/***', ['dir/', 'dir/a', 'dir/a/b'], ['dir', 'a/dir/', 'a/dir/b']],
    ['***', ['a', 'a/', 'a/b'], []],
    ['?', ['a', 'dir/b', 'é'], ['ab', '']],
    ['a?b', ['a1b', 'a b', 'dir/aéb'], ['a/b', 'ab']],
    ['a?b/c', ['a1b/c'], ['a/b/c']],
    ['*', ['a', 'a/b', '.hidden'], []],
    ['/*', ['a', '.hidden'], ['a/b']],
    ['/*/', ['a/'], ['a', 'a/b/']],
    ['[abc]', ['a', 'dir/b'], ['d', 'ab', '[abc]']],
    ['[!abc]x', ['dx', '!x', 'éx'], ['ax', 'x', '/x']],
    ['[^a-c]x', ['dx', '^x'], ['bx']],
    ['a[!b]c/d', ['axc/d'], ['a/c/d', 'abc/d']],
    ['[a/b]c', [], ['ac', 'dir/ac', 'bc']],
    ['a[/]b', [], ['a/b', 'a[/]b']],
    ['[]x]', [']', 'x'], ['[']],
    ['[!]]', ['x'], [']']],
    ['[a-]', ['a', '-'], ['b']],
    ['[[:digit:]]*', ['1', '12.txt'], ['a1']],
    ['[[:upper:]_]', ['A', '_'], ['a', ':']],
    ['[z-a]', [], ['a', 'z', '-']],
    ['[[:nonsense:]]', [], ['n', ':']],
    ['[a', [], ['a', '[a']],
    ['\\*', ['*'], ['\\*', 'a']],
    ['\\[a\\]*', ['[a]', '[a]b'], ['a']],
    ['a\\b', ['a\\b', 'dir/a\\b'], ['ab']],
    ['a\\bc*', ['abcd'], ['a\\bc']],
    ['*[', [], ['a[']],
    ['a.b', ['a.b'], ['axb']],
    ['a+b(c)|{1}$^', ['a+b(c)|{1}$^'], ['aab']],
    ['', [], ['a', 'dir/a']],
    ['/', [], ['a', 'a/']],
  ];

  test.each(cases)('%j matches %j and not %j', (pattern, matching, others) => {
    const isExcluded = compileFilter([{ include: false, pattern }]);
    const matched = (path: string) => !isExcluded(path.replace(/\/$/, ''), path.endsWith('/'));
    expect(matching.filter((path) => !matched(path))).toEqual([]);
    expect(others.filter(matched)).toEqual([]);
  });

  test('of any text is accepted', () => {
    const unit = fc.constantFrom('*', '?', '[', ']', '!', '^', '-', '\\', '/', 'a', ':', 'é', '😀');
    const pattern = fc.oneof(fc.string({ unit }), fc.string());
    fc.assert(
      fc.property(pattern, fc.string({ unit }), (text, path) => {
        const filter = compileFilter([{ include: false, pattern: text }]);
        expect(typeof filter(path, false)).toBe('boolean');
      }),
    );
  });

  test('without wildcards matches its own text', () => {
    const name = fc.string({ minLength: 1 }).filter((text) => !/[*?[/]/.test(text));
    fc.assert(
      fc.property(name, (text) => {
        expect(compileFilter([{ include: false, pattern: text }])(`dir/${text}`, false)).toBe(
          false,
        );
      }),
    );
  });
});

describe('a list of rules', () => {
  test('includes everything when it is empty', () => {
    expect(transferred([], ['a', 'dir/', 'dir/b'])).toEqual(['a', 'dir/', 'dir/b']);
  });

  test('is decided by the first rule that matches', () => {
    expect(transferred(['+ keep.o', '- *.o'], ['keep.o', 'drop.o', 'a'])).toEqual(['keep.o', 'a']);
    expect(transferred(['- *.o', '+ keep.o'], ['keep.o', 'a'])).toEqual(['a']);
  });

  test('can take all directories and C files and nothing else', () => {
    const tree = ['main.c', 'main.o', 'lib/', 'lib/a.c', 'lib/a.o', 'doc/', 'doc/readme'];
    const wanted = ['main.c', 'lib/', 'lib/a.c', 'doc/'];
    expect(transferred(['+ */', '+ *.c', '- *'], tree)).toEqual(wanted);
  });

  test('can take one file of one directory', () => {
    const tree = ['foo/', 'foo/bar.c', 'foo/other.c', 'bar.c', 'dir/', 'dir/bar.c'];
    const wanted = ['foo/', 'foo/bar.c'];
    expect(transferred(['+ foo/', '+ foo/bar.c', '- *'], tree)).toEqual(wanted);
  });

  test('finds nothing below a directory that it excludes', () => {
    const lines = ['+ /some/path/this-file-will-not-be-found', '+ /file-is-included', '- *'];
    const tree = ['some/', 'some/path/', 'some/path/this-file-will-not-be-found'];
    expect(transferred(lines, [...tree, 'file-is-included'])).toEqual(['file-is-included']);
  });

  test('finds a deep file when its parents are included', () => {
    const lines = ['+ /some/', '+ /some/path/', '+ /some/path/this-file-is-found', '- *'];
    const tree = ['some/', 'some/x', 'some/path/', 'some/path/this-file-is-found', 'some/path/x'];
    const wanted = ['some/', 'some/path/', 'some/path/this-file-is-found'];
    expect(transferred(lines, tree)).toEqual(wanted);
  });

  test('takes a directory with all it holds by three stars', () => {
    const tree = ['keep/', 'keep/a', 'keep/b/', 'keep/b/c', 'drop/', 'drop/a'];
    expect(transferred(['+ /keep/***', '- *'], tree)).toEqual(tree.slice(0, 4));
  });
});
