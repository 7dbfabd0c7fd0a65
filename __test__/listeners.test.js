'use strict'

const assert = require('node:assert/strict')
const { EventEmitter, getEventListeners, setMaxListeners } = require('node:events')
const { PassThrough, pipeline } = require('node:stream')
const { test } = require('node:test')
const { startProbe, until } = require('./helper')

const listeners = (probe) => probe.stats().heap?.listeners
const growsBy = async (probe, before, count) => {
  await until(() => listeners(probe) === before + count, `${before + count} listeners are counted, now ${listeners(probe)}`)
}

async function startCounting (t, options) {
  const probe = startProbe(t, options)
  await until(() => listeners(probe) !== undefined)
  return { probe, before: listeners(probe) }
}

function unlimited (emitter) {
  emitter.setMaxListeners(0)
  return emitter
}

test('listeners on a shared emitter are counted, however they are added, and no longer once removed', async (t) => {
  const { probe, before } = await startCounting(t)
  const shared = unlimited(new EventEmitter())
  const nothing = () => {}

  for (let i = 0; i < 10; i++) {
    shared.on('a', () => {})
    shared.once('a', () => {})
    shared.addListener('a', nothing)
    shared.prependListener('a', () => {})
    shared.prependOnceListener('b', () => {})
  }
  await growsBy(probe, before, 50)

  for (let i = 0; i < 10; i++) shared.removeListener('a', nothing)
  await growsBy(probe, before, 40)
  shared.removeAllListeners()
  await growsBy(probe, before, 0)
})

test('an emitter with few listeners per event is not counted, one with very many events is', async (t) => {
  const { probe, before } = await startCounting(t)
  const kept = Array.from({ length: 300 }, () => new EventEmitter().on('a', () => {}).on('a', () => {}).on('b', () => {}))
  const tree = unlimited(new EventEmitter())

  for (let i = 0; i < 500; i++) tree.on(`event ${i}`, () => {})

  await growsBy(probe, before, 500)
  for (let i = 0; i < 20; i++) tree.on('event 7', () => {})
  await growsBy(probe, before, 520)
  assert.equal(kept.length, 300)
})

test('listeners on process are counted from the first', async (t) => {
  const { probe, before } = await startCounting(t)
  const nothing = () => {}

  process.on('leakprobe-test', nothing)
  t.after(() => process.removeListener('leakprobe-test', nothing))
  await growsBy(probe, before, 1)
})

test('listeners on an AbortSignal and any other event target are counted', async (t) => {
  const { probe, before } = await startCounting(t)
  const { signal } = new AbortController()
  const target = new EventTarget()
  setMaxListeners(0, signal, target)

  for (let i = 0; i < 25; i++) {
    signal.addEventListener('abort', () => {})
    target.addEventListener('tick', () => {}, { once: true })
  }
  await growsBy(probe, before, 50)

  target.dispatchEvent(new Event('tick'))
  await growsBy(probe, before, 25)
  assert.equal(getEventListeners(signal, 'abort').length, 25)
})

test('listeners on subclasses that override `on` are counted', async (t) => {
  const { probe, before } = await startCounting(t)
  const stream = unlimited(new PassThrough())
  const own = stream.listenerCount('data') + stream.eventNames().reduce((sum, name) => sum + stream.listenerCount(name), 0)

  for (let i = 0; i < 30; i++) stream.on('data', () => {})

  await growsBy(probe, before, own + 30)
  stream.destroy()
})

test('more shared emitters than can be noted make the count a lower bound, which is told', async (t) => {
  const { probe } = await startCounting(t)
  const kept = []

  await until(() => {
    for (let i = 0; i < 100; i++) {
      const emitter = new EventEmitter()
      for (let j = 0; j < 4; j++) emitter.on('a', () => {})
      kept.push(emitter)
    }
    return /lower bound/.test(probe.report().process.capabilities.listeners.because)
  })
  assert.ok(kept.length > 1024)
})

test('emitters of single requests, as stream.pipeline uses them, do not count', async (t) => {
  const { probe, before } = await startCounting(t)
  const kept = []

  for (let i = 0; i < 200; i++) {
    const streams = [new PassThrough(), new PassThrough(), new PassThrough(), new PassThrough()]
    pipeline(...streams, () => {})
    kept.push(streams)
  }
  const shared = unlimited(new EventEmitter())
  for (let i = 0; i < 10; i++) shared.on('a', () => {})

  await growsBy(probe, before, 10)
  assert.ok(kept.flat().some((stream) => stream.listenerCount('close') >= 4))
})

test('a stream that is destroyed and a signal that is aborted no longer count', async (t) => {
  const { probe, before } = await startCounting(t)
  const stream = unlimited(new PassThrough())
  const controller = new AbortController()
  setMaxListeners(0, controller.signal)
  for (let i = 0; i < 40; i++) {
    stream.on('custom', () => {})
    controller.signal.addEventListener('custom', () => {})
  }
  await until(() => listeners(probe) >= before + 80)

  stream.destroy()
  controller.abort()

  await growsBy(probe, before, 0)
})

test('add functions keep identity, name, length, result and errors', async (t) => {
  const originals = [EventEmitter.prototype.on, EventEmitter.prototype.prependListener, EventTarget.prototype.addEventListener]
  const probe = startProbe(t)
  const emitter = new EventEmitter()
  const wrapped = [EventEmitter.prototype.on, EventEmitter.prototype.prependListener, EventTarget.prototype.addEventListener]

  assert.equal(EventEmitter.prototype.on, EventEmitter.prototype.addListener)
  wrapped.forEach((wrapper, index) => {
    assert.notEqual(wrapper, originals[index])
    assert.equal(wrapper.name, originals[index].name)
    assert.equal(wrapper.length, originals[index].length)
  })
  assert.equal(emitter.on('x', () => {}), emitter)
  assert.throws(() => emitter.on('x', 5), { code: 'ERR_INVALID_ARG_TYPE' })
  assert.throws(() => EventTarget.prototype.addEventListener.call({}, 'x', () => {}), { code: 'ERR_INVALID_THIS' })
  assert.equal(EventEmitter.prototype.on.call(Object.create(emitter), Symbol('s'), () => {}).listenerCount('x'), 1)

  await probe.stop()
  assert.deepEqual([EventEmitter.prototype.on, EventEmitter.prototype.prependListener, EventTarget.prototype.addEventListener], originals)
  assert.equal(EventEmitter.prototype.addListener, originals[0])
})

test('when another library has wrapped ours, stop() leaves its wrapper, and ours below does nothing', async (t) => {
  const probe = startProbe(t)
  const ours = EventEmitter.prototype.on
  const original = Object.getOwnPropertyDescriptor(EventEmitter.prototype, 'addListener').value
  const theirs = function (...args) { return ours.apply(this, args) }
  EventEmitter.prototype.on = theirs

  await probe.stop()
  const kept = EventEmitter.prototype.on
  const emitter = unlimited(new EventEmitter())
  for (let i = 0; i < 64; i++) emitter.on('a', () => {})
  EventEmitter.prototype.on = EventEmitter.prototype.addListener

  assert.equal(kept, theirs)
  assert.equal(emitter.listenerCount('a'), 64)
  assert.notEqual(EventEmitter.prototype.on, original)
})

test('without listener hooks nothing is wrapped and nothing is counted', async (t) => {
  const original = EventEmitter.prototype.on
  const probe = startProbe(t, { without: ['listener-hooks'] })

  assert.equal(EventEmitter.prototype.on, original)
  await until(() => probe.stats().heap !== undefined)
  assert.equal(listeners(probe), undefined)
  assert.equal(probe.report().process.capabilities.listeners.state, 'off')
})
