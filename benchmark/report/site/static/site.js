// Sorting, filtering, the theme. Numbers are shown as they came: nothing is computed here.
"use strict";

(() => {
  const THEME = "lhlbench-theme";
  const stored = {
    // Browsers may refuse storage to pages opened from a disk.
    read() { try { return localStorage.getItem(THEME); } catch { return null; } },
    write(value) { try { localStorage.setItem(THEME, value); } catch { /* lasts for this page */ } },
  };
  const root = document.documentElement;
  if (["dark", "light"].includes(stored.read())) root.dataset.theme = stored.read();

  function theme(button) {
    const system = matchMedia("(prefers-color-scheme: dark)");
    const dark = () => (root.dataset.theme ? root.dataset.theme === "dark" : system.matches);
    const label = () => { button.textContent = dark() ? "Light" : "Dark"; };
    button.hidden = false;
    button.setAttribute("aria-label", "Switch between light and dark");
    button.addEventListener("click", () => {
      root.dataset.theme = dark() ? "light" : "dark";
      stored.write(root.dataset.theme);
      label();
    });
    system.addEventListener("change", label);
    label();
  }

  const words = new Intl.Collator("en", { numeric: true });
  const value = (cell) => ("value" in cell.dataset ? Number(cell.dataset.value) : null);

  // Order of two cells: what is missing comes last, whichever way the column is sorted.
  function compare(one, other, numeric, sign) {
    if (!numeric) return sign * words.compare(one.textContent, other.textContent);
    const [a, b] = [value(one), value(other)];
    if (a === null || b === null) return (a === null) - (b === null);
    return sign * (a - b);
  }

  function sorter(table) {
    const heads = [...table.tHead.rows[0].cells];
    const bodies = [...table.tBodies].map((body) => [body, [...body.rows].filter((row) => "row" in row.dataset)]);
    return (key, direction) => {
      const index = heads.findIndex((head) => head.dataset.key === key);
      heads.forEach((head) => head.removeAttribute("aria-sort"));
      if (index >= 0) heads[index].setAttribute("aria-sort", direction);
      for (const [body, rows] of bodies) {
        const sorted = [...rows];
        if (index >= 0) {
          const numeric = rows.some((row) => "value" in (row.cells[index]?.dataset ?? {}));
          const sign = direction === "descending" ? -1 : 1;
          sorted.sort((a, b) => compare(a.cells[index] ?? a, b.cells[index] ?? b, numeric, sign));
        }
        body.append(...sorted);
      }
    };
  }

  function filterer(form, table) {
    const rows = [...table.querySelectorAll("tr[data-row]")];
    const count = form.querySelector("[data-count]");
    return (state) => {
      const part = (state.get("q") ?? "").toLowerCase();
      const [kind, exemplars] = [state.get("show"), state.get("exemplars")];
      for (const row of rows) {
        row.hidden = !(row.dataset.name.toLowerCase().includes(part)
          && (!kind || row.parentNode.dataset.group === kind)
          && (!exemplars || row.dataset.exemplars === exemplars));
      }
      for (const body of table.tBodies) {
        body.hidden = !body.querySelector("tr[data-row]:not([hidden])");
      }
      const shown = rows.filter((row) => !row.hidden).length;
      count.textContent = shown === rows.length ? `${rows.length} rows` : `${shown} of ${rows.length} rows`;
    };
  }

  // What the reader chose lives in the part of the address behind #, so that it can be passed on.
  function start() {
    const toggle = document.querySelector("[data-theme-toggle]");
    if (toggle) theme(toggle);
    const tables = [...document.querySelectorAll("table[data-sortable]")];
    const form = document.querySelector("[data-filters]");
    const shared = tables.length === 1;
    const sorts = tables.map(sorter);
    const filter = form ? filterer(form, tables[0]) : () => {};
    let state = new URLSearchParams();

    function apply() {
      if (form) {
        for (const name of ["q", "show", "exemplars"]) form.elements[name].value = state.get(name) ?? "";
        filter(state);
      }
      if (shared) sorts[0](state.get("sort"), state.get("order") ?? "ascending");
    }
    function keep(changes) {
      for (const [name, to] of Object.entries(changes)) {
        if (to) state.set(name, to); else state.delete(name);
      }
      history.replaceState(null, "", `#${state}`);
    }
    function read() {
      // An address such as #main leads to a place in the page and says nothing of the table.
      if (location.hash && !location.hash.includes("=")) return;
      state = new URLSearchParams(location.hash.slice(1));
      apply();
    }

    tables.forEach((table, number) => table.tHead.addEventListener("click", (event) => {
      const head = event.target.closest("button")?.closest("th");
      if (!head) return;
      const before = head.getAttribute("aria-sort");
      const flipped = before === "descending" ? "ascending" : "descending";
      const order = before ? flipped : head.dataset.first;
      if (shared) keep({ sort: head.dataset.key, order });
      sorts[number](head.dataset.key, order);
    }));
    if (form) {
      form.hidden = false;
      form.addEventListener("submit", (event) => event.preventDefault());
      form.addEventListener("input", () => {
        keep(Object.fromEntries(new FormData(form)));
        filter(state);
      });
      form.addEventListener("reset", (event) => {
        event.preventDefault();
        keep({ q: "", show: "", exemplars: "" });
        apply();
      });
    }
    for (const link of document.querySelectorAll("a[data-keep]")) {
      link.addEventListener("click", () => { link.hash = state.size ? `${state}` : ""; });
    }
    addEventListener("hashchange", read);
    read();
  }

  addEventListener("DOMContentLoaded", start);
})();
