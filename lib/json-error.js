'use strict'

// Where a JSON text goes wrong. JSON.parse tells the position in some versions of V8 and for some errors only, so the
// text it refused is read once more here, with patterns for what may come next.

const SPACE = /[ \t\r\n]*/y
const STRING = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y // eslint-disable-line no-control-regex
const SCALAR = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null/y

/** Line and column, both from 1, and what was expected there. */
function findJsonError (text) {
  const reader = new Reader(text)
  try {
    reader.value()
    if (reader.at < text.length) reader.fail('the end of the file')
  } catch (failure) {
    if (!(failure instanceof Failure)) throw failure
    const before = text.slice(0, failure.at)
    const found = failure.at >= text.length ? 'the end of the file' : JSON.stringify(text[failure.at])
    return {
      line: before.split('\n').length,
      column: failure.at - before.lastIndexOf('\n'),
      reason: `expected ${failure.expected}, received ${found}`
    }
  }
  return { line: 1, column: 1, reason: 'is not valid JSON' }
}

class Failure {
  constructor (at, expected) {
    this.at = at
    this.expected = expected
  }
}

class Reader {
  constructor (text) {
    this.text = text
    this.at = 0
  }

  value () {
    this.take(SPACE)
    const next = this.text[this.at]
    if (next === '{') this.items('}', () => this.member())
    else if (next === '[') this.items(']', () => this.value())
    else if (next === '"') this.string()
    else if (!this.take(SCALAR)) this.fail('a value')
    this.take(SPACE)
  }

  member () {
    this.take(SPACE)
    this.string()
    this.take(SPACE)
    this.expect(':')
    this.value()
  }

  items (close, item) {
    this.at++
    this.take(SPACE)
    if (this.text[this.at] === close) {
      this.at++
      return
    }
    for (;;) {
      item()
      if (this.text[this.at] !== ',') break
      this.at++
    }
    this.expect(close, `"," or "${close}"`)
  }

  string () {
    if (!this.take(STRING)) this.fail('a string in double quotes')
  }

  expect (character, expected = `"${character}"`) {
    if (this.text[this.at] !== character) this.fail(expected)
    this.at++
  }

  take (pattern) {
    pattern.lastIndex = this.at
    const match = pattern.exec(this.text)
    if (match === null) return false
    this.at += match[0].length
    return true
  }

  fail (expected) {
    throw new Failure(this.at, expected)
  }
}

module.exports = { findJsonError }
