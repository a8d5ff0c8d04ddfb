// One photo, large, with its tags.
import { ask, byId, buttonsAreKeys, isTyping, make, openDialog, tell, tellProblem } from "./api.js";
import { LabelField } from "./complete.js";
import { onChange, say, undo } from "./verdicts.js";

const SAID = { y: "confirm", n: "reject", r: "reset" };

const MOMENTS = 8; // of a tag that are named

// Seconds of a video, as players show them.
function moments(seconds) {
  const clock = (second) => {
    const [hours, minutes, rest] = [second / 3600, (second / 60) % 60, second % 60].map(Math.floor);
    const two = (number) => String(number).padStart(2, "0");
    return hours ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
  };
  const named = seconds.slice(0, MOMENTS).map(clock).join(" ");
  return seconds.length > MOMENTS ? `${named} and ${seconds.length - MOMENTS} more` : named;
}

export class PhotoView {
  constructor(grid, { onAlike }) {
    Object.assign(this, { grid, onAlike, tags: [], at: 0 });
    this.dialog = byId("photo");
    this.news = byId("photo-news");
    this.picture = byId("photo-picture");
    this.rows = byId("tags");
    this.field = new LabelField(byId("add"), byId("add-list"), (label) => this.add(label));
    this.field.onLeave = () => this.focusTag();
    // Of the document: the element that had the focus may be gone when the next key comes.
    document.addEventListener("keydown", (event) => { if (this.dialog.open) this.key(event); });
    buttonsAreKeys(this.dialog, (key, event) => this.press(key, event));
    this.dialog.addEventListener("close", () => this.grid.box.focus());
    this.picture.addEventListener("error", () => tell("This photo cannot be shown.", this.news));
    this.rows.addEventListener("click", (event) => this.clicked(event));
    onChange(() => { if (this.dialog.open) this.load(); });
  }

  async open(index) {
    this.grid.moveTo(index);
    const card = this.grid.known(index) ?? await this.grid.card(index);
    if (!card) return;
    this.card = card;
    this.at = 0;
    this.hot = false;
    byId("heat").setAttribute("aria-pressed", "false");
    this.tags = []; // no key may mean a tag of the photo before
    this.rows.replaceChildren();
    tell("", this.news);
    this.picture.src = `/large/${card.id}`;
    this.picture.alt = card.name;
    byId("photo-name").textContent = card.name;
    openDialog(this.dialog);
    this.ready = this.load();
    await this.ready;
    if (card !== this.card) return;
    if (!isTyping(document.activeElement)) this.focusTag();
    for (const beside of [index + 1, index - 1]) {
      const other = this.grid.known(beside);
      if (other) new Image().src = `/large/${other.id}`;
    }
  }

  async load() {
    const { id } = this.card;
    try {
      const photo = await ask("/api/photo", { photo: id });
      if (id !== this.card.id) return;
      this.fill(photo);
    } catch (error) {
      tellProblem(error, this.news);
    }
  }

  fill(photo) {
    byId("photo-facts").textContent = [photo.taken, photo.camera, photo.folder].filter(Boolean).join(" · ");
    const chosen = this.tags[this.at]?.label;
    this.tags = photo.tags;
    const found = this.tags.findIndex((tag) => tag.label === chosen);
    this.at = Math.max(0, Math.min(found < 0 ? this.at : found, this.tags.length - 1));
    const focused = this.rows.contains(document.activeElement);
    this.rows.replaceChildren(...this.tags.map((tag) => this.row(tag)));
    this.mark();
    if (focused) this.focusTag();
    const more = [];
    if (photo.keywords.length) more.push(make("h3", {}, "Keywords of your own"), make("p", {}, photo.keywords.join(", ")));
    if (photo.files.length) more.push(make("h3", {}, "Tags are written in"), ...photo.files.map((file) => make("p", {}, file)));
    byId("photo-more").replaceChildren(...more);
  }

  row(tag) {
    const facts = [];
    if (tag.state === "confirmed") facts.push("yes, you say");
    if (tag.state === "rejected") facts.push("no, you say");
    if (tag.implied) facts.push("from a label below it");
    if (tag.score !== null) facts.push(`model ${tag.score.toFixed(2)}`);
    else facts.push("not by the model");
    if (tag.seconds.length) facts.push(`seen at ${moments(tag.seconds)}`);
    if (tag.written) facts.push("written");
    if (tag.keyword) facts.push("your keyword");
    const about = tag.name;
    const buttons = [
      make("button", { type: "button", "data-said": "y", class: "yes", "aria-label": `Yes, ${about}` }, "Yes"),
      make("button", { type: "button", "data-said": "n", class: "no", "aria-label": `No, not ${about}` }, "No"),
    ];
    if (tag.state !== "tagged") buttons.push(make("button", { type: "button", "data-said": "r", "aria-label": `Take back what you said of ${about}` }, "Reset"));
    return make("li", { class: tag.state }, make("button", { type: "button", class: "name" }, tag.name), make("small", {}, facts.join(", ")), ...buttons);
  }

  mark() {
    [...this.rows.children].forEach((row, number) => {
      row.classList.toggle("current", number === this.at);
      row.firstChild.setAttribute("aria-current", String(number === this.at));
    });
  }

  focusTag() {
    this.mark();
    const row = this.rows.children[this.at];
    (row?.firstChild ?? this.dialog.querySelector(".close")).focus();
    row?.scrollIntoView({ block: "nearest" });
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
    if (event.key === "Enter" || event.key === " ") return; // of the button that has the focus
    if (this.press(event.key)) event.preventDefault();
  }

  // Whether the key meant something here.
  press(key) {
    const { current } = this.grid;
    if (key === "Escape") this.dialog.close();
    else if (key === "ArrowLeft") { if (current > 0) this.open(current - 1); }
    else if (key === "ArrowRight") { if (current < this.grid.total - 1) this.open(current + 1); }
    else if (key === "ArrowUp" || key === "ArrowDown") this.step(key === "ArrowUp" ? -1 : 1);
    else if (key in SAID) this.sayOfTag(key);
    else if (key === "a") byId("add").focus();
    else if (key === "h") this.heat(!this.hot);
    else if (key === "u") this.undo();
    else if (key === "l") { this.dialog.close(); this.onAlike(this.card); }
    else return false;
    return true;
  }

  step(by) {
    this.at = Math.max(0, Math.min(this.tags.length - 1, this.at + by));
    this.focusTag();
    if (this.hot) this.heat(true);
  }

  // Where the score of the chosen tag comes from, over the photo, and why the photo has it.
  async heat(wanted) {
    const { card } = this;
    await this.ready;
    const { label, name } = this.tags[this.at] ?? {};
    if (card !== this.card || !label) return;
    this.hot = wanted;
    byId("heat").setAttribute("aria-pressed", String(wanted));
    if (!wanted) {
      this.picture.src = `/large/${card.id}`;
      this.picture.alt = card.name;
      tell("", this.news);
      return;
    }
    try {
      const { sentence } = await ask("/api/why", { photo: card.id, label });
      if (card !== this.card || label !== this.tags[this.at]?.label || !this.hot) return;
      tell(sentence, this.news);
      this.picture.src = `/heat/${card.id}?${new URLSearchParams({ label })}`;
      this.picture.alt = `${card.name}, warm where the score of ${name} comes from`;
    } catch (error) {
      tellProblem(error, this.news);
    }
  }

  clicked(event) {
    const row = event.target.closest("li");
    if (!row) return;
    this.at = [...this.rows.children].indexOf(row);
    this.mark();
    const said = event.target.closest("button[data-said]")?.dataset.said;
    if (said) this.say(said, { label: this.tags[this.at].label });
  }

  async sayOfTag(key) {
    const { card } = this;
    await this.ready;
    const label = this.tags[this.at]?.label;
    if (card === this.card && label) await this.say(key, { label });
  }

  async say(key, about) {
    try {
      const answer = await say(SAID[key], about, [this.card.id]);
      tell(`${{ y: "Yes", n: "No", r: "Taken back" }[key]}: ${answer.label}`, this.news);
    } catch (error) {
      tellProblem(error, this.news);
    }
  }

  async add(label) {
    if (!label) return;
    await this.say("y", this.field.about);
    this.field.value = "";
  }

  async undo() {
    try {
      const answer = await undo();
      tell(answer ? `Taken back: ${answer.label}` : "Nothing to undo.", this.news);
    } catch (error) {
      tellProblem(error, this.news);
    }
  }
}
