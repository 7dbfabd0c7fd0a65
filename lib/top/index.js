'use strict'

// `leakprobe top`: the report of a running process, drawn anew each second.

const { NothingThere, openSource } = require('./source')
const { Screen } = require('./screen')
const { clean } = require('./text')
const { History, SORTS, view } = require('./view')

const STEP_MS = 1000
const HELP = `usage: leakprobe top DIR|PID [--once]

Shows what a running process does, like top: verdict, process, and its routes with latency and what each request keeps, the leaky
ones marked. DIR is the directory of the probe or one service's folder in it, PID the process's id. Drawn anew each second, from
the process's HTTP interface where it serves (\`serve\`), else from the report that it keeps in its directory. Where the output
is no terminal it is printed once.

options:
  --once   print once and end

keys: q quit; sort by: k kept, r requests, s requests per second, l latency, n name; arrows scroll
environment: LEAKPROBE_SERVE_TOKEN, where the interface asks for a token

examples:
  npx leakprobe top .leakprobe
  npx leakprobe top 4242
  npx leakprobe top .leakprobe --once | grep ▲

exit codes: 0 done, 1 nothing found or unreadable, 2 wrong usage, 130 interrupted
`

/**
 * Runs the command.
 * @param {string[]} args what follows `top`
 * @param {{ stdin: import('node:tty').ReadStream, stdout: import('node:tty').WriteStream, stderr: NodeJS.WritableStream, env: NodeJS.ProcessEnv }} io
 * @returns {Promise<number>} exit code
 */
async function top (args, { stdin, stdout, stderr, env }) {
  const words = args.filter((arg) => !arg.startsWith('-'))
  const unknown = args.find((arg) => arg.startsWith('-') && !['--once', '--help', '-h'].includes(arg))
  if (args.includes('--help') || args.includes('-h')) {
    stdout.write(HELP)
    return 0
  }
  if (unknown !== undefined || words.length !== 1) {
    const wrong = unknown === undefined ? `top takes one directory or process id, received ${words.length}` : `unknown option ${clean(unknown)}`
    stderr.write(`leakprobe: ${wrong}; see leakprobe top --help\n`)
    return 2
  }
  const color = stdout.isTTY === true && env.NO_COLOR === undefined
  try {
    const source = await openSource(words[0], { token: env.LEAKPROBE_SERVE_TOKEN })
    const history = new History()
    const seen = await source.read()
    history.add(seen.report)
    if (stdout.isTTY === true && !args.includes('--once')) return await live({ source, history, seen, color, stdin, stdout })
    stdout.write(`${view(seen, history, { columns: stdout.columns ?? 120, color, sort: 'k', keys: false }).join('\n')}\n`)
    return 0
  } catch (error) {
    if (!(error instanceof NothingThere)) throw error
    stderr.write(`leakprobe: ${clean(error.message)}\n`)
    return 1
  }
}

function live ({ source, history, seen, color, stdin, stdout }) {
  return new Promise((resolve, reject) => {
    let sort = 'k'
    let scrolled = 0
    let timer
    let ended = false
    const draw = () => screen.draw(view(seen, history, { columns: screen.columns, rows: screen.rows, color, sort, top: scrolled, keys: stdin.isTTY === true }))
    const end = (code) => {
      if (ended) return
      ended = true
      clearTimeout(timer)
      screen.close()
      resolve(code)
    }
    const onKey = (key) => {
      if (key === 'q' || key === '\x03' || key === '\x04') return end(key === '\x03' ? 130 : 0)
      if (Object.hasOwn(SORTS, key)) {
        sort = key
        scrolled = 0
      }
      const by = { '\x1b[A': -1, '\x1bOA': -1, '\x1b[B': 1, '\x1bOB': 1, '\x1b[5~': -10, '\x1b[6~': 10 }[key] ?? 0
      scrolled = Math.max(0, Math.min(scrolled + by, seen.report.routes.length - 1))
      draw()
    }
    const screen = new Screen({ out: stdout, in: stdin, onKey, onResize: draw, onEnd: end })
    const look = async () => {
      try {
        seen = await source.read()
        history.add(seen.report)
      } catch (error) {
        if (!(error instanceof NothingThere)) {
          screen.close()
          return reject(error)
        }
        seen = { ...seen, silence: clean(error.message) }
      }
      if (ended) return
      draw()
      timer = setTimeout(look, STEP_MS)
    }
    draw()
    timer = setTimeout(look, STEP_MS)
  })
}

module.exports = { top }
