"use strict";
(() => {
  const photos = [...document.querySelectorAll(".photos > li")].map((item) => ({
    item, groups: new Set(item.dataset.g.split(" ")), words: item.dataset.w,
  }));
  const find = document.getElementById("find");
  const chosen = document.getElementById("chosen");
  const form = find.form;
  form.hidden = false;

  function show() {
    const key = decodeURIComponent(location.hash.slice(1));
    const link = /^[a-z]+-\d+$/.test(key) && document.querySelector(`a[href="#${key}"]`);
    const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
    let count = 0;
    for (const photo of photos) {
      const fits = (!link || photo.groups.has(key)) && words.every((word) => photo.words.includes(word));
      photo.item.hidden = !fits;
      count += fits;
    }
    chosen.hidden = !link;
    if (link) chosen.textContent = `${(link.querySelector("b") || link).textContent} ✕`;
    document.getElementById("count").value = `${count.toLocaleString("en")} photos`;
    document.getElementById("nothing").hidden = count > 0;
    return link;
  }

  let waiting;
  find.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(show, 120);
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  window.addEventListener("hashchange", () => {
    if (show()) document.getElementById("h-photos").scrollIntoView();
  });
  show();
})();
