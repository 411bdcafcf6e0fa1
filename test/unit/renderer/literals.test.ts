import assert from 'node:assert/strict';
import { test } from 'node:test';
import { childrenOf, isNode, type Node, parse, piecesOf, stringOf, walk } from './syntax.ts';
import { sources } from './texts.ts';

/** Attributes that are shown or read out, and properties of objects that become such. */
const shownAttributes =
  /^(aria-(label|description|roledescription|placeholder|valuetext)|title|placeholder|alt|label|description|error|text|summary|caption|clearLabel)$/;
const shownProperties = /^(label|title|text|description|term|summary|note|caption|placeholder|unit)$/;

/** Text a user would meet that did not come through renderer/i18n. Letters of any script count; `…`, `·` and digits are no language. */
function literalTexts(source: string): readonly string[] {
  const found: string[] = [];
  for (const node of walk(parse('component.tsx', source))) {
    if (node.type === 'JSXText' && typeof node.value === 'string') found.push(node.value.trim());
    if (node.type === 'JSXElement' || node.type === 'JSXFragment') {
      for (const child of childrenOf(node)) if (child.type === 'JSXExpressionContainer') found.push(...spoken(child.expression));
    }
    if (node.type === 'JSXAttribute' && isNode(node.name) && shownAttributes.test(String(node.name.name))) {
      const { value } = node;
      found.push(...spoken(isNode(value) && value.type === 'JSXExpressionContainer' ? value.expression : value));
    }
    if (node.type === 'Property' && isNode(node.key) && shownProperties.test(String(node.key.name)))
      found.push(...spoken(node.value));
  }
  return found.filter((text) => /\p{L}/u.test(text));
}

/** The texts an expression can come to: through conditions and templates, not into calls, whose words are keys. */
function spoken(node: unknown): readonly string[] {
  if (!isNode(node)) return [];
  const text = stringOf(node);
  if (text !== undefined) return [text];
  switch (node.type) {
    case 'TemplateLiteral':
      return piecesOf(node);
    case 'ConditionalExpression':
      return [...spoken(node.consequent), ...spoken(node.alternate)];
    case 'LogicalExpression':
    case 'BinaryExpression':
      return sidesOf(node).flatMap(spoken);
    default:
      return [];
  }
}

/** What is compared is code. */
function sidesOf({ operator, left, right }: Node): readonly unknown[] {
  if (operator === '&&') return [right];
  return operator === '||' || operator === '??' || operator === '+' ? [left, right] : [];
}

test('the scanner finds what it must find', () => {
  const find = (jsx: string) => literalTexts(`export const A = () => ${jsx};`);
  assert.deepEqual(find('<p>Hello there</p>'), ['Hello there']);
  assert.deepEqual(find('<p>\n  연결\n</p>'), ['연결']);
  assert.deepEqual(find('<p>{name} is connected<b>{x}</b></p>'), ['is connected']);
  assert.deepEqual(find('<Button aria-label="Close" />'), ['Close']);
  assert.deepEqual(find("<Input placeholder={'Search'} />"), ['Search']);
  assert.deepEqual(find("<p>{on ? 'Yes' : t('no')}</p>"), ['Yes']);
  assert.deepEqual(find(['<p>{count > 0 && `of $', '{count}`}</p>'].join('')), ['of ']);
  assert.deepEqual(literalTexts("const entries = [{ id: 'a', label: 'Delete' }];"), ['Delete']);
});

test('the scanner leaves code alone', () => {
  const find = (jsx: string) => literalTexts(`export const A = () => ${jsx};`);
  assert.deepEqual(find('<p className="soft" data-test="x">{t(\'hello\', { name })}</p>'), []);
  assert.deepEqual(find("<p title={t('x')} aria-label={label}>… · 1</p>"), []);
  assert.deepEqual(find("<p>{state === 'idle' ? <b>{x}</b> : null}</p>"), []);
  assert.deepEqual(literalTexts("const entries = [{ id: 'a', label: t('delete') }]; interface B { readonly label: string }"), []);
});

test('no literal text is left in components', () => {
  const components = sources(/\.tsx$/);
  assert.ok(components.length > 15);
  const found = components.flatMap(({ path, text }) => literalTexts(text).map((literal) => `${path}: ${literal}`));
  assert.deepEqual(found, []);
});
