// A run that is shown again, and the way back to one that was cut short.
import { mark, until } from './mark.mjs';

export class Replay {
  constructor(page) {
    this.bar = mark(page, 'replay');
    this.play = mark(page, 'replay-play');
    this.position = mark(page, 'replay-place');
    this.trainThis = mark(page, 'replay-train');
    this.resume = mark(page, 'resume');
  }

  /** Plays, holds, or plays again. */
  toggle() {
    return this.play.click();
  }
  /** To a share of the run, from 0 to 1. */
  seek(share) {
    return this.position.fill(String(Math.round(share * 1000)));
  }
  /** Times the run's own pace. */
  setSpeed(times) {
    return mark(this.bar, 'replay-speed').selectOption(String(times));
  }
  /** How far it has played, from 0 to 1. */
  async at() {
    return Number(await this.position.inputValue()) / 1000;
  }
  /** Waits until it has played on. */
  async playsOn(timeout = 5000) {
    const from = await this.at();
    return until('the replay to go on', async () => (await this.at()) > from, timeout);
  }
  /** Waits until this run is shown. */
  shows(name) {
    return this.bar.getByText(name).first().waitFor();
  }
}
