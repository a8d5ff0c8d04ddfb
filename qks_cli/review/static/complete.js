// A field for a label, with the labels and synonyms that what is typed may mean.
import { ask, make, tellProblem } from "./api.js";

const PAUSE = 80; // milliseconds after a key

export class LabelField {
  constructor(input, list, onChoose) {
    Object.assign(this, { input, list, onChoose });
    this.labels = [];
    this.at = -1;
    input.addEventListener("input", () => this.typed());
    input.addEventListener("keydown", (event) => this.key(event));
    input.addEventListener("blur", () => setTimeout(() => this.close(), 150));
    list.addEventListener("mousedown", (event) => {
      const option = event.target.closest("[role=option]");
      if (!option) return;
      event.preventDefault();
      this.choose(this.labels[[...list.children].indexOf(option)]);
    });
  }

  get value() {
    return this.input.value.trim();
  }

  set value(text) {
    this.input.value = text;
  }

  // The label that was chosen from the list, or what was typed: two labels may share a name.
  get about() {
    return this.chosen?.name === this.value ? { label: this.chosen.label } : { typed: this.value };
  }

  typed() {
    clearTimeout(this.waiting);
    this.waiting = setTimeout(() => this.look(), PAUSE);
  }

  async look() {
    this.asking?.abort();
    this.asking = new AbortController();
    if (!this.value) {
      this.close();
      return;
    }
    try {
      const { labels } = await ask("/api/suggest", { typed: this.value }, this.asking.signal);
      if (document.activeElement === this.input) this.show(labels);
    } catch (error) {
      tellProblem(error);
    }
  }

  show(labels) {
    this.labels = labels;
    this.at = -1;
    const rows = labels.map((one, number) => {
      const small = [one.synonym, one.photos.toLocaleString("en")].filter(Boolean).join(" · ");
      return make("span", { role: "option", id: `${this.list.id}-${number}`, "aria-selected": "false" }, one.name, make("small", {}, small));
    });
    this.list.replaceChildren(...rows);
    this.list.hidden = !labels.length;
    this.input.setAttribute("aria-expanded", String(labels.length > 0));
    this.input.removeAttribute("aria-activedescendant");
  }

  close() {
    clearTimeout(this.waiting);
    this.asking?.abort();
    this.show([]);
  }

  key(event) {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      if (!this.labels.length) return;
      event.preventDefault();
      const count = this.labels.length;
      this.at = event.key === "ArrowDown" ? (this.at + 1) % count : (this.at + count - (this.at < 0 ? 0 : 1)) % count;
      [...this.list.children].forEach((row, number) => row.setAttribute("aria-selected", String(number === this.at)));
      const active = this.list.children[this.at];
      this.input.setAttribute("aria-activedescendant", active.id);
      active.scrollIntoView({ block: "nearest" });
    } else if (event.key === "Enter") {
      event.preventDefault();
      this.choose(this.at < 0 ? null : this.labels[this.at]);
    } else if (event.key === "Escape") {
      event.preventDefault();
      event.stopPropagation();
      if (this.labels.length) this.close();
      else this.leave();
    }
  }

  leave() {
    this.input.blur();
    this.onLeave?.();
  }

  // One of the list, or null for what was typed.
  choose(one) {
    this.close();
    if (one) {
      this.chosen = one;
      this.value = one.name;
    }
    this.onChoose(this.value);
  }
}
