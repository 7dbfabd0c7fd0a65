'use strict'

// Route names and their ids. The addon interns names (capped, `other` beyond); this keeps what it said, so that a
// known route costs two look-ups in a Map.
//
// Invariant: no more entries than MOST_KEYS_PER_ROUTE for each route that the addon can tell apart.

/** One route may come under several keys: with and without a trailing slash, for example. */
const MOST_KEYS_PER_ROUTE = 4
const LONGEST_NAME = 240
const OTHER = 0

class RouteTable {
  #intern
  #most
  #entries = 0
  #full = false
  #names = new Map()
  /** By id; no more than the addon's routes. */
  #byId = ['other']
  #byMethod = new Map()

  /** `intern(name)` gives a route's id, 0 when its table is full. */
  constructor (intern, maxRoutes) {
    this.#intern = intern
    this.#most = maxRoutes * MOST_KEYS_PER_ROUTE
    this.notFound = this.idOfName('(not found)')
  }

  /** Id of `METHOD template`. */
  id (method, template) {
    const id = this.#byMethod.get(method)?.get(template)
    return id === undefined ? this.#learn(method, template) : id
  }

  /** Name of a route; 'other' for one that is not known. */
  nameOf (id) {
    return this.#byId[id] ?? this.#byId[OTHER]
  }

  /** Id of a whole name; one that begins with a slash is a template of `method`. */
  idOfName (name, method) {
    if (method !== undefined && name.charCodeAt(0) === 0x2f) return this.id(method, name)
    return this.#names.get(name) ?? this.#learnName(name)
  }

  #learn (method, template) {
    const id = this.idOfName(`${method} ${tidy(template)}`)
    if (this.#full && id === OTHER) return id
    let templates = this.#byMethod.get(method)
    if (templates === undefined) this.#byMethod.set(method, templates = new Map())
    if (this.#entries < this.#most) {
      templates.set(template, id)
      this.#entries++
    }
    return id
  }

  #learnName (name) {
    if (this.#full) return OTHER
    const id = this.#intern(name.length > LONGEST_NAME ? `${name.slice(0, LONGEST_NAME - 1)}…` : name)
    if (id !== OTHER) this.#byId[id] = name
    if (id === OTHER && name !== 'other') {
      this.#full = true
    } else if (this.#entries < this.#most) {
      this.#names.set(name, id)
      this.#entries++
    }
    return id
  }
}

// One leading slash, none at the end, none doubled. Slashes inside of a regular expression stay as they are.
function tidy (template) {
  const text = template.charCodeAt(0) === 0x2f || template === '*' ? template : `/${template}`
  if (text.includes('(')) return text.length > 1 && text.endsWith('/') ? text.slice(0, -1) : text
  return text.replace(/\/{2,}/g, '/').replace(/(.)\/$/, '$1')
}

module.exports = { RouteTable }
