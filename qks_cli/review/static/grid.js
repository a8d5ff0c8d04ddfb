// A grid of any number of photos, of which only those in sight are elements of the page.
import { ask, make, tellProblem } from "./api.js";

const PAGE = 120; // photos of one request
const QUIET = 70; // milliseconds without scrolling before pictures are asked for
const CAPTION = 48; // pixels below a picture
const SIGNS = { confirmed: "✓", rejected: "✗", tagged: "·" };
const WORDS = { confirmed: "confirmed", rejected: "rejected", tagged: "tagged" };

export class Grid {
  constructor(box, sizer, { onOpen, onSelect }) {
    Object.assign(this, { box, sizer, onOpen, onSelect });
    this.selected = new Set();
    this.tiles = new Map();
    this.label = "";
    this.about = {};
    this.reset(0, 0);
    box.addEventListener("scroll", () => this.draw(), { passive: true });
    box.addEventListener("click", (event) => this.clicked(event));
    box.addEventListener("dblclick", (event) => this.opened(event));
    new ResizeObserver(() => this.layout()).observe(box);
  }

  reset(listing, total) {
    this.listing = listing;
    this.total = total;
    this.current = 0;
    this.anchor = 0;
    this.pages = new Map();
    this.tiles.forEach((tile) => tile.remove());
    this.tiles.clear();
  }

  show(listing, total, photos) {
    this.reset(listing, total);
    this.pages.set(0, { photos });
    this.select(() => this.selected.clear());
    this.box.scrollTop = 0;
    this.layout();
  }

  // `about` says which label that is, as in verdicts.js.
  setLabel(label, about) {
    if (label === this.label && JSON.stringify(about) === JSON.stringify(this.about)) return;
    this.label = label;
    this.about = about;
    this.refresh();
  }

  layout() {
    const width = this.box.clientWidth;
    this.columns = Math.max(2, Math.floor(width / (width < 500 ? 110 : 190)));
    this.width = Math.floor(width / this.columns);
    this.height = Math.round(this.width * 0.75) + CAPTION;
    this.rows = Math.ceil(this.total / this.columns);
    this.sizer.style.height = `${this.rows * this.height}px`;
    this.tiles.forEach((tile, index) => this.place(tile, index));
    this.draw(true);
  }

  place(tile, index) {
    const row = Math.floor(index / this.columns);
    const left = (index % this.columns) * this.width;
    tile.style.width = `${this.width}px`;
    tile.style.height = `${this.height}px`;
    tile.style.transform = `translate(${left}px, ${row * this.height}px)`;
  }

  draw(now = false) {
    const top = Math.max(0, Math.floor(this.box.scrollTop / this.height) - 1);
    const bottom = Math.ceil((this.box.scrollTop + this.box.clientHeight) / this.height) + 1;
    const first = top * this.columns;
    const last = Math.min(this.total, bottom * this.columns);
    for (const [index, tile] of this.tiles) {
      if (index < first || index >= last) {
        tile.remove();
        this.tiles.delete(index);
      }
    }
    for (let index = first; index < last; index++) {
      if (!this.tiles.has(index)) this.add(index);
    }
    clearTimeout(this.waiting);
    if (now) this.load();
    else this.waiting = setTimeout(() => this.load(), QUIET);
    this.mark();
  }

  add(index) {
    const tile = make("div", { class: "tile", role: "option", id: `photo-${index}`, "aria-selected": "false", "aria-posinset": index + 1, "aria-setsize": this.total });
    tile.append(make("img", { alt: "", draggable: "false" }), make("span"), make("span", { class: "tags" }), make("b", { hidden: true }));
    this.place(tile, index);
    this.tiles.set(index, tile);
    this.sizer.append(tile);
    this.fill(index);
  }

  // What is known of a photo, at once; null where it is not here yet, or gone.
  known(index) {
    return this.pages.get(Math.floor(index / PAGE))?.photos?.[index % PAGE] ?? null;
  }

  async card(index) {
    if (index < 0 || index >= this.total) return null;
    await this.page(Math.floor(index / PAGE));
    return this.known(index);
  }

  page(number) {
    const page = this.pages.get(number) ?? {};
    if (!page.coming && !page.photos) {
      page.coming = this.take(number, page);
      this.pages.set(number, page);
    }
    return page.coming;
  }

  async take(number, page) {
    const { listing } = this;
    const values = { listing, start: number * PAGE, count: PAGE, ...this.about };
    try {
      const { photos } = await ask("/api/window", values);
      if (listing !== this.listing) return;
      page.photos = photos;
      for (let index = number * PAGE; index < (number + 1) * PAGE; index++) this.fill(index);
      this.load();
    } catch (error) {
      page.coming = null;
      if (listing !== this.listing) return;
      this.pages.delete(number);
      if (error.status === 410) this.onLost?.();
      else tellProblem(error);
    }
  }

  // Whatever is shown, asked for again; what is there stays until the answers come.
  refresh() {
    const before = this.pages;
    this.pages = new Map();
    for (const [number, page] of before) {
      if (page.photos) this.pages.set(number, { photos: page.photos });
    }
    const needed = new Set([...this.tiles.keys()].map((index) => Math.floor(index / PAGE)));
    for (const number of this.pages.keys()) {
      if (!needed.has(number)) this.pages.delete(number);
    }
    for (const number of needed) {
      const page = this.pages.get(number) ?? {};
      this.pages.set(number, page);
      page.coming = this.take(number, page);
    }
  }

  fill(index) {
    const tile = this.tiles.get(index);
    const card = this.known(index);
    if (!tile || !card) return;
    const [, name, tags, badge] = tile.children;
    name.textContent = card.files > 1 ? `${card.name} (${card.files} files)` : card.name;
    tags.textContent = card.tags.join(", ");
    badge.hidden = !card.state;
    badge.textContent = SIGNS[card.state] ?? "";
    tile.classList.remove(...Object.keys(SIGNS));
    if (card.state) tile.classList.add(card.state);
    const said = card.state ? [`${this.label}: ${WORDS[card.state]}`] : [];
    tile.setAttribute("aria-label", [name.textContent, card.taken, ...card.tags, ...said].filter(Boolean).join(", "));
    this.markOne(tile, index);
  }

  load() {
    for (const [index, tile] of this.tiles) {
      const number = Math.floor(index / PAGE);
      if (!this.pages.has(number)) this.page(number);
      const card = this.known(index);
      const picture = tile.firstChild;
      if (card && picture.dataset.photo !== String(card.id)) {
        picture.dataset.photo = card.id;
        picture.src = `/small/${card.id}`;
      }
    }
  }

  mark() {
    this.tiles.forEach((tile, index) => this.markOne(tile, index));
    const active = this.tiles.get(this.current);
    if (active) this.box.setAttribute("aria-activedescendant", active.id);
    else this.box.removeAttribute("aria-activedescendant");
  }

  markOne(tile, index) {
    const chosen = this.selected.has(this.known(index)?.id);
    tile.classList.toggle("current", index === this.current);
    tile.classList.toggle("selected", chosen);
    tile.setAttribute("aria-selected", String(chosen));
  }

  moveTo(index, extend = false) {
    if (!this.total) return;
    const before = this.current;
    this.current = Math.min(this.total - 1, Math.max(0, index));
    const top = Math.floor(this.current / this.columns) * this.height;
    const { scrollTop, clientHeight } = this.box;
    if (top < scrollTop) this.box.scrollTop = top;
    else if (top + this.height > scrollTop + clientHeight) this.box.scrollTop = top + this.height - clientHeight;
    if (extend) this.selectBetween(before, this.current);
    this.draw();
  }

  move(key, extend) {
    const page = Math.max(1, Math.floor(this.box.clientHeight / this.height)) * this.columns;
    const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -this.columns, ArrowDown: this.columns, PageUp: -page, PageDown: page };
    if (key === "Home") this.moveTo(0, extend);
    else if (key === "End") this.moveTo(this.total - 1, extend);
    else if (key in steps) {
      const to = this.current + steps[key];
      // Up from the first row and down from the last full one stay where they are.
      if (key === "ArrowUp" && to < 0) return true;
      if (key === "ArrowDown" && to >= this.total && Math.floor(this.current / this.columns) === this.rows - 1) return true;
      this.moveTo(to, extend);
    } else return false;
    return true;
  }

  select(change) {
    change();
    this.mark();
    this.onSelect?.(this.selected.size);
  }

  toggle(index = this.current) {
    const card = this.known(index);
    if (!card) return;
    this.select(() => {
      if (!this.selected.delete(card.id)) this.selected.add(card.id);
    });
  }

  selectBetween(one, other) {
    this.select(() => {
      for (let index = Math.min(one, other); index <= Math.max(one, other); index++) {
        const card = this.known(index);
        if (card) this.selected.add(card.id);
      }
    });
  }

  async selectAll() {
    try {
      const { ids } = await ask("/api/ids", { listing: this.listing });
      this.select(() => ids.forEach((id) => this.selected.add(id)));
    } catch (error) {
      tellProblem(error);
    }
  }

  // The selection, else the photo that is looked at.
  chosen() {
    if (this.selected.size) return [...this.selected];
    const card = this.known(this.current);
    return card ? [card.id] : [];
  }

  indexOf(event) {
    const tile = event.target.closest(".tile");
    return tile ? Number(tile.id.slice(6)) : null;
  }

  clicked(event) {
    const index = this.indexOf(event);
    if (index === null) return;
    if (event.shiftKey) this.selectBetween(this.current, index);
    else if (event.ctrlKey || event.metaKey) this.toggle(index);
    else if (index === this.current && event.detail === 1 && matchMedia("(pointer: coarse)").matches) this.onOpen?.(index);
    this.current = index;
    this.mark();
  }

  opened(event) {
    const index = this.indexOf(event);
    if (index !== null) this.onOpen?.(index);
  }
}
