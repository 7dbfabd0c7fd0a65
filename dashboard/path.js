// A retaining path, from the root of the heap down to what leaks, and the frames of a stack.

import { h } from './dom.js'
import { place } from './words.js'

const PLACE = /\(([^()]*:\d+)\)\s*$/

/** The path as an ordered list; the last step is what leaks. */
export function retainingPath (steps, last = 'kept by each request') {
  return h('ol', { class: 'path' }, steps.map((text, i) => step(text, i === steps.length - 1 ? last : undefined)))
}

// `templates: Map` is a name and a class; `variables of (…/server.js:1)` has a place.
function step (text, last) {
  const found = PLACE.exec(text)
  const rest = found === null ? text : text.slice(0, found.index).trim()
  const [, name, type] = /^(.*?): (.+)$/.exec(rest) ?? [undefined, rest, undefined]
  return h('li', { class: last === undefined ? undefined : 'last' },
    h('span', { class: 'name' }, name), type === undefined ? null : h('span', { class: 'type' }, type),
    found === null ? null : h('code', { class: 'place' }, found[1]), last === undefined ? null : h('span', { class: 'tag' }, last))
}

/** Who keeps it: package, function, file and line. */
export function culpritLine (culprit) {
  const parts = [culprit.package, culprit.function].filter((part) => part !== undefined && part !== null)
  return h('p', { class: 'culprit' }, 'Kept by ', parts.length === 0 ? null : `${parts.join(', ')} in `, culprit.file === undefined || culprit.file === null ? null : h('code', {}, place(culprit)))
}

const BY = {
  growth: 'Walks over the heap saw this place grow with the route’s requests.',
  place: 'It belongs to the code that sites named.',
  'watched-requests': 'It keeps watched requests of this route.',
  amount: 'Nothing else of its kind holds as much as the leak explains.'
}

/** What connects path and leak, in a sentence. */
export function pathBy (culprit) {
  return BY[culprit.pathBy]
}

/** Frames of a stack, innermost first. */
export function stackList (frames) {
  return h('ol', { class: 'stack' }, frames.map((frame) => h('li', { class: frame.package === undefined ? 'own' : undefined },
    h('span', { class: 'name' }, frame.function ?? '(top level)'), ' ', h('code', { class: 'place' }, place(frame)))))
}
