// Asks the API again and again: every two seconds, seldom while nobody looks, and ever more seldom while nothing answers.

const STEP_MS = 2000
const HIDDEN_MS = 30_000
const LONGEST_MS = 30_000
const PATIENCE_MS = 5000

/** An answer that is an error, with the API's own words. */
export class ApiError extends Error {
  constructor (status, code, message) {
    super(message)
    this.status = status
    this.code = code
  }
}

/** A path as JSON. Where a token is needed the browser asks for it, and sends it along. */
export async function ask (path, { method = 'GET', body } = {}) {
  const response = await fetch(path, {
    method,
    body: body === undefined ? undefined : JSON.stringify(body),
    headers: method === 'GET' ? {} : { 'content-type': 'application/json', 'x-leakprobe': '1' },
    signal: AbortSignal.timeout(PATIENCE_MS),
    cache: 'no-store',
    redirect: 'error'
  })
  const answer = await response.json().catch(() => undefined)
  if (!response.ok) throw new ApiError(response.status, answer?.error?.code, answer?.error?.message ?? `status ${response.status}`)
  return answer
}

/** A route without series yet, or an incident that was removed, is no silence; nor is a server that is busy: it keeps what it said. */
function nothingThere (error) {
  if (error instanceof ApiError && error.status === 404) return null
  if (error instanceof ApiError && [429, 503].includes(error.status)) return undefined
  throw error
}

/** Polls. `onAnswer` gets what each name was answered; `onSilence` since when there is none, why, and when the next try is. */
export class Feed {
  #wanted
  #onAnswer
  #onSilence
  #timer
  #running = false
  #again = false
  #failures = 0
  #answeredAt = Date.now()

  /**
   * @param {{ wanted: () => Record<string, string>, onAnswer: (answers: Record<string, any>) => void,
   *   onSilence: (silence: { since: number, nextInMs: number, error: Error }) => void }} options wanted: name and path
   */
  constructor ({ wanted, onAnswer, onSilence }) {
    this.#wanted = wanted
    this.#onAnswer = onAnswer
    this.#onSilence = onSilence
    document.addEventListener('visibilitychange', () => { if (!document.hidden) this.now() })
  }

  /** Asks at once, and goes on from there. */
  async now () {
    clearTimeout(this.#timer)
    if (this.#running) {
      this.#again = true
      return
    }
    this.#running = true
    try {
      const wanted = Object.entries(this.#wanted())
      const answers = await Promise.all(wanted.map(([, path]) => ask(path).catch(nothingThere)))
      this.#failures = 0
      this.#answeredAt = Date.now()
      this.#onAnswer(Object.fromEntries(wanted.map(([name], i) => [name, answers[i]]).filter(([, answer]) => answer !== undefined)))
    } catch (error) {
      this.#failures++
      this.#onSilence({ since: this.#answeredAt, nextInMs: this.#pauseMs(), error })
    }
    this.#running = false
    this.#timer = setTimeout(() => this.now(), this.#again ? 0 : this.#pauseMs())
    this.#again = false
  }

  #pauseMs () {
    const pause = Math.min(LONGEST_MS, STEP_MS * 2 ** Math.max(0, this.#failures - 1))
    return document.hidden ? Math.max(pause, HIDDEN_MS) : pause
  }
}
