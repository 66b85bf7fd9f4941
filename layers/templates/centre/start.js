// Bar, themes, tools and sheets: what is left when each part has its place.
(function () {
  "use strict";
  centre.part(function (map, page) {
    // the language chosen is kept: in the address first, else as it was the last time
    const asked = new URLSearchParams(location.search).get("lang");
    let kept = null;
    try { kept = localStorage.getItem("wangge.lang"); } catch (error) { kept = null; }  // storage may be forbidden
    const wanted = asked || kept;
    if (wanted && wanted !== wangge.language()) wangge.translate(wanted);
    document.querySelectorAll("[data-lang]").forEach(function (link) {
      link.addEventListener("click", function (event) {
        event.preventDefault();
        wangge.translate(link.dataset.lang);
        try { localStorage.setItem("wangge.lang", wangge.language()); } catch (error) { return; }
      });
    });

    const stage = map.getContainer();
    function name_stage() { stage.setAttribute("aria-label", wangge.say("centre.map")); }
    stage.setAttribute("role", "region");
    stage.setAttribute("tabindex", "0");
    name_stage();
    wangge.on("language", name_stage);
    centre.node("cc-map").addEventListener("focus", function () { stage.focus(); });

    // themes, and what each lets one choose
    const themes = document.querySelectorAll("input[name=cc-theme]");
    const rows = document.querySelectorAll(".cc-choices");
    function mark() {
      const view = centre.view;
      themes.forEach(function (input) { input.checked = input.value === view.theme; });
      rows.forEach(function (row) {
        row.hidden = row.dataset.theme !== view.theme;
        if (row.hidden) return;
        const inputs = Array.from(row.querySelectorAll("input[name=\"cc-" + view.theme + "\"]"));
        if (!inputs.length || view.theme === "heat") return;
        const found = inputs.find(function (input) { return input.value === view.choice.replace(/(\+1|@.*)$/, ""); });
        inputs.forEach(function (input) { input.checked = input === (found || inputs[0]); });
      });
      // where a row is wider than the screen, what is chosen is in sight
      document.querySelectorAll(".cc-theme-row, .cc-choices:not([hidden])").forEach(function (row) {
        const chosen = row.querySelector("label:has(:checked)");
        if (!chosen || row.scrollWidth <= row.clientWidth) return;
        const at = chosen.getBoundingClientRect(), frame = row.getBoundingClientRect();
        if (at.right > frame.right) row.scrollLeft += at.right - frame.right + 40;
        else if (at.left < frame.left) row.scrollLeft -= frame.left - at.left + 40;
      });
    }
    themes.forEach(function (input) {
      input.addEventListener("change", function () { centre.change({ theme: input.value, choice: first_choice(input.value) }); });
    });
    function first_choice(theme) {
      if (theme === "heat" || theme === "grids") return "";
      const input = document.querySelector("input[name=\"cc-" + theme + "\"]");
      return input ? input.value : "";
    }
    rows.forEach(function (row) {
      if (row.dataset.theme === "heat" || row.dataset.theme === "grids") return;
      row.querySelectorAll("input").forEach(function (input) {
        input.addEventListener("change", function () { centre.change({ theme: row.dataset.theme, choice: input.value }); });
      });
    });
    if (!centre.view.choice) centre.view.choice = first_choice(centre.view.theme);
    wangge.on("view", mark);
    mark();

    wangge.drawers.facility_map(map, page.facilities, false);
    document.querySelectorAll("input[name=wg-kind], input[name=wg-base]").forEach(function (input) {
      const tell = function () { wangge.emit(input.name === "wg-kind" ? "kind" : "base", { name: input.value, shown: input.checked }); };
      input.addEventListener("change", tell);
      wangge.on("started", tell);
    });

    centre.node("wg-in").addEventListener("click", function () { map.zoomIn(); });
    centre.node("wg-out").addEventListener("click", function () { map.zoomOut(); });
    centre.node("wg-whole").addEventListener("click", function () { centre.whole(); });
    L.control.scale({ imperial: false, position: "bottomleft", maxWidth: 140 }).addTo(map);

    // a wall is read from three metres: larger letters, no filters beside the map
    const wall = centre.node("cc-wall");
    function wide() {
      document.documentElement.classList.toggle("cc-wall", centre.big());
      wall.setAttribute("aria-pressed", centre.view.wall ? "true" : "false");
      wangge.letters = centre.big() ? 1.5 : 1;
      wangge.emit("labels");
    }
    window.addEventListener("resize", function () { if (document.documentElement.classList.contains("cc-wall") !== centre.big()) wide(); });
    wall.addEventListener("click", function () {
      centre.change({ wall: !centre.view.wall });
      window.dispatchEvent(new Event("resize"));
    });
    wangge.on("view", function (names) { if (names.has("wall")) wide(); });
    wide();

    // on a phone panels and legend are sheets: who opens one is in it, who closes it is back at what opened it
    const openers = Array.from(document.querySelectorAll(".cc-sheets button"));
    function opened() { return openers.find(function (button) { return button.getAttribute("aria-expanded") === "true"; }); }
    function sheet(id) {
      const before = opened();
      openers.forEach(function (button) {
        const open = button.dataset.sheet === id;
        button.setAttribute("aria-expanded", open ? "true" : "false");
        centre.node(button.dataset.sheet).classList.toggle("cc-open", open);
      });
      // the map makes room for the legend alone, which is read together with it
      if ((before ? before.dataset.sheet : "") !== id && [before && before.dataset.sheet, id].indexOf("cc-legend-sheet") >= 0) wangge.emit("legend");
    }
    centre.open_sheet = sheet;
    openers.forEach(function (button) {
      button.addEventListener("click", function () {
        const id = button.getAttribute("aria-expanded") === "true" ? "" : button.dataset.sheet;
        sheet(id);
        // an open card has a way out of its own, and stands on the sheet's
        const ways = id ? Array.from(centre.node(id).querySelectorAll(".wg-close")) : [];
        const way = ways.reverse().find(function (one) { return one.getClientRects().length; });
        if (way) way.focus({ preventScroll: true });
      });
    });
    function leave() {
      const opener = opened();
      sheet("");
      if (opener) opener.focus();
    }
    document.querySelectorAll(".cc-sheet-close").forEach(function (button) { button.addEventListener("click", leave); });

    // when all is drawn for the first time, for those who measure how long that took
    const waited = new Set(["base"].concat(page.cases ? ["figures"] : [], page.cases && centre.view.theme === "heat" ? ["surface"] : []));
    function drawn(what) {
      if (!waited.delete(what) || waited.size) return;
      requestAnimationFrame(function () { setTimeout(function () { performance.mark("centre-drawn"); }, 0); });
    }
    ["figures", "surface"].forEach(function (what) { wangge.on(what, function () { drawn(what); }); });
    wangge.on("ground", function () { drawn("base"); });

    document.addEventListener("keydown", function (event) {
      if (event.key === "Escape") {
        const within = opened() && centre.node(opened().dataset.sheet).contains(event.target);
        wangge.emit("escape");
        if (within) leave(); else sheet("");
        return;
      }
      const typing = /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName) && !/^(checkbox|radio)$/.test(event.target.type);
      if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.target !== stage && (event.key === "+" || event.key === "=")) map.zoomIn();
      else if (event.target !== stage && event.key === "-") map.zoomOut();
      else if (event.key === "0") centre.whole();
    });
  });
})();
