'use strict'

// Processes of a benchmark that talk to it by messages.

const { once } = require('node:events')
const path = require('node:path')

/** The next message of a child that has `field`; a child that ends first is an error. */
function answer (child, field) {
  const message = new Promise((resolve) => {
    child.on('message', function seen (value) {
      if (value[field] === undefined) return
      child.removeListener('message', seen)
      resolve(value)
    })
  })
  return Promise.race([message, gone(child)])
}

/** Ends with an error when a child does. */
async function gone (child) {
  const [code, signal] = await once(child, 'exit')
  throw new Error(`${path.basename(child.spawnargs[1])} ended with ${signal ?? code}`)
}

module.exports = { answer, gone }
