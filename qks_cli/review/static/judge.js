// One label, photos one after another: y, n, or neither. Answers are sent while the next photo is shown.
import { byId, buttonsAreKeys, openDialog, tell, tellProblem } from "./api.js";
import { isUndoable, say, undo } from "./verdicts.js";

const AHEAD = 4; // pictures that are fetched before they are needed

export class Judge {
  constructor() {
    this.dialog = byId("judge");
    this.photo = byId("judge-photo");
    this.news = byId("judge-news");
    document.addEventListener("keydown", (event) => {
      if (!this.dialog.open || event.ctrlKey || event.metaKey || event.altKey) return;
      if (this.press(event.key)) event.preventDefault();
    });
    buttonsAreKeys(this.dialog, (key) => this.press(key));
    this.dialog.addEventListener("close", () => this.onEnd?.());
    this.photo.addEventListener("error", () => tell("This photo cannot be shown.", this.news));
  }

  // `cardAt` gives the photo at an index, or null at the end; photos judged before are passed over.
  // `about` as for `say`.
  async start(name, about, total, cardAt, from = 0) {
    Object.assign(this, { about, total, cardAt, next: from, past: [], judged: 0, sending: Promise.resolve() });
    byId("judge-question").textContent = `Is this “${name}”?`;
    tell("", this.news);
    openDialog(this.dialog);
    this.dialog.querySelector("[data-key=y]").focus();
    await this.show();
  }

  async ahead(index) {
    for (let at = index; at < this.total; at++) {
      const card = await this.cardAt(at);
      if (card && card.state !== "confirmed" && card.state !== "rejected") return { at, card };
    }
    return null;
  }

  async show() {
    this.wait(true);
    try {
      const found = await this.ahead(this.next);
      this.shown = found;
      this.count();
      if (!found) {
        this.photo.removeAttribute("src");
        this.photo.alt = "";
        tell(this.judged ? "That was the last one." : "All of these have been judged.", this.news);
        return;
      }
      this.next = found.at + 1;
      this.photo.src = `/large/${found.card.id}`;
      this.photo.alt = found.card.name;
      this.prepare(this.next);
      // No key means a photo that is not in sight yet; one that cannot be shown can be passed over.
      await this.photo.decode().catch(() => {});
    } catch (error) {
      tellProblem(error, this.news);
    } finally {
      this.wait(false);
    }
  }

  wait(busy) {
    this.busy = busy;
    this.dialog.setAttribute("aria-busy", String(busy));
  }

  async prepare(from) {
    let at = from;
    for (let count = 0; count < AHEAD; count++) {
      const found = await this.ahead(at);
      if (!found) return;
      new Image().src = `/large/${found.card.id}`;
      at = found.at + 1;
    }
  }

  count() {
    const at = this.shown ? `photo ${(this.shown.at + 1).toLocaleString("en")} of ${this.total.toLocaleString("en")}, ` : "";
    byId("judge-count").textContent = `${at}${this.judged} judged`;
  }

  // Whether the key meant something here.
  press(key) {
    if (key === "Escape") {
      this.dialog.close();
      return true;
    }
    if (key === "Enter") return false; // of the button that has the focus
    if (!["y", "n", " ", "u", "ArrowRight", "ArrowLeft"].includes(key)) return false;
    if (this.busy) return true;
    if (key === "u" || key === "ArrowLeft") this.back();
    else if (this.shown) this.answer(key);
    return true;
  }

  answer(key) {
    const { card } = this.shown;
    const said = { y: "confirm", n: "reject" }[key] ?? null;
    this.past.push({ ...this.shown, said, state: card.state });
    if (said) {
      card.state = said === "confirm" ? "confirmed" : "rejected";
      this.judged += 1;
      const { about } = this;
      // In their order: what is undone is always the last one.
      this.sending = this.sending.then(() => say(said, about, [card.id])).catch((error) => {
        tellProblem(error, this.news);
      });
      tell(`${said === "confirm" ? "Yes" : "No"}: ${card.name}`, this.news);
    } else tell("", this.news);
    this.show();
  }

  async back() {
    const last = this.past.pop();
    if (!last) return;
    this.wait(true);
    await this.sending;
    try {
      if (last.said && isUndoable()) {
        await undo();
        this.judged -= 1;
        tell(`Taken back: ${last.card.name}`, this.news);
      }
      last.card.state = last.state;
      this.next = last.at;
    } catch (error) {
      tellProblem(error, this.news);
    }
    await this.show();
  }
}
