// When in the week: seven days by twenty-four hours, by Beijing time. Drag a rectangle, or use arrows with Shift.
(function () {
  "use strict";

  // "8-18", "22-6", "7,12" → set of hours; the end of a range is not part of it
  function hours_of(text) {
    const found = new Set();
    text.split(",").forEach(function (part) {
      const ends = part.split("-").map(Number);
      if (part === "" || ends.some(Number.isNaN)) return;
      if (ends.length === 1) { found.add(ends[0]); return; }
      for (let hour = ends[0], n = 0; n < 24 && hour !== ends[1] % 24 || n === 0; hour = (hour + 1) % 24, n++) found.add(hour % 24);
    });
    return found;
  }

  function days_of(text) {
    const found = new Set();
    text.split(",").forEach(function (part) {
      const ends = part.split("-").map(Number);
      if (part === "" || ends.some(Number.isNaN)) return;
      const last = ends.length > 1 ? ends[1] : ends[0];
      for (let day = ends[0], n = 0; n < 7; day = day % 7 + 1, n++) { found.add(day); if (day === last) break; }
    });
    return found;
  }

  centre.part(function (map, page) {
    const box = centre.node("cc-hours");
    if (!box) return;
    const table = wangge.element("table", { class: "cc-matrix", role: "grid", "aria-multiselectable": "true" });
    const cells = [], rows = [];
    let focus = [0, 8], anchor = null, dragged = null;

    function name(key) { return wangge.say("centre." + key); }

    (function build() {
      const head = wangge.element("tr", { role: "row" }, wangge.element("td", { role: "presentation" }));
      for (let hour = 0; hour < 24; hour++) {
        const cell = wangge.element("th", { scope: "col", role: "columnheader" }, hour % 6 === 0 ? String(hour) : "");
        if (hour % 6) cell.setAttribute("aria-label", hour + ":00");
        head.append(cell);
      }
      const top = wangge.element("thead", { role: "rowgroup" }, head), body = wangge.element("tbody", { role: "rowgroup" });
      for (let day = 0; day < 7; day++) {
        const row = wangge.element("tr", { role: "row" }, wangge.element("th", { scope: "row", role: "rowheader" }));
        cells.push([]);
        for (let hour = 0; hour < 24; hour++) {
          const cell = wangge.element("td", { role: "gridcell", tabindex: day === focus[0] && hour === focus[1] ? "0" : "-1", "data-day": day, "data-hour": hour });
          cells[day].push(cell);
          row.append(cell);
        }
        rows.push(row);
        body.append(row);
      }
      table.append(top, body);
      box.append(table);
    })();

    function chosen() {
      const view = centre.view;
      return { days: view.weekdays ? days_of(view.weekdays) : null, hours: view.hours ? hours_of(view.hours) : null };
    }

    function mark() {
      const now = chosen(), all = !now.days && !now.hours && !dragged;
      cells.forEach(function (row, day) {
        row.forEach(function (cell, hour) {
          const inside = dragged ? within(dragged, day, hour) : (!now.days || now.days.has(day + 1)) && (!now.hours || now.hours.has(hour));
          cell.classList.toggle("cc-out", !all && !inside);
          cell.setAttribute("aria-selected", !all && inside ? "true" : "false");
        });
      });
      const say = centre.node("cc-hours-words");
      say.textContent = all ? name("hours_all") : words(now);
      rows.forEach(function (row, day) { row.firstChild.textContent = name("weekday_" + (day + 1)); });
      table.setAttribute("aria-label", wangge.say("centre.hours_label"));
    }

    function words(now) {
      const days = now.days ? Array.from(now.days).sort().map(function (day) { return name("weekday_" + day); }) : [];
      const run = function (set) {
        const sorted = Array.from(set).sort(function (a, b) { return a - b; });
        return sorted.length === 24 ? "" : centre.view.hours.split(",").map(function (part) {
          const ends = part.split("-");
          return ends[0] + ":00–" + (ends.length > 1 ? Number(ends[1]) : Number(ends[0]) + 1) + ":00";
        }).join(", ");
      };
      const parts = [];
      if (days.length) parts.push(days.length > 2 && consecutive(now.days) ? days[0] + "–" + days[days.length - 1] : days.join(wangge.language() === "zh" ? "、" : ", "));
      if (now.hours) parts.push(run(now.hours));
      return parts.filter(Boolean).join(" ");
    }

    function consecutive(set) {
      const sorted = Array.from(set).sort();
      return sorted.every(function (day, n) { return n === 0 || day === sorted[n - 1] + 1; });
    }

    function within(box_of, day, hour) {
      return day >= Math.min(box_of[0], box_of[2]) && day <= Math.max(box_of[0], box_of[2]) && hour >= Math.min(box_of[1], box_of[3]) && hour <= Math.max(box_of[1], box_of[3]);
    }

    function take(box_of) {
      const days = [Math.min(box_of[0], box_of[2]) + 1, Math.max(box_of[0], box_of[2]) + 1];
      const hours = [Math.min(box_of[1], box_of[3]), Math.max(box_of[1], box_of[3]) + 1];
      const weekdays = days[0] === 1 && days[1] === 7 ? "" : days[0] === days[1] ? String(days[0]) : days.join("-");
      const told = hours[0] === 0 && hours[1] === 24 ? "" : hours[1] === hours[0] + 1 ? String(hours[0]) : hours.join("-");
      // the same again takes it back
      const same = weekdays === centre.view.weekdays && told === centre.view.hours;
      centre.change({ weekdays: same ? "" : weekdays, hours: same ? "" : told });
    }

    function spot(event) {
      const cell = document.elementFromPoint(event.clientX, event.clientY);
      return cell && cell.dataset && cell.dataset.day !== undefined && table.contains(cell) ? [Number(cell.dataset.day), Number(cell.dataset.hour)] : null;
    }

    table.addEventListener("pointerdown", function (event) {
      const at = spot(event);
      if (!at || event.button) return;
      event.preventDefault();
      dragged = [at[0], at[1], at[0], at[1]];
      table.setPointerCapture(event.pointerId);
      move_to(at, false);
      mark();
    });
    table.addEventListener("pointermove", function (event) {
      if (!dragged) return;
      const at = spot(event);
      if (at) { dragged[2] = at[0]; dragged[3] = at[1]; mark(); }
    });
    table.addEventListener("pointerup", function () {
      if (!dragged) return;
      const done = dragged;
      dragged = null;
      take(done);
      mark();
    });
    table.addEventListener("pointercancel", function () { dragged = null; mark(); });

    function move_to(at, focused) {
      cells[focus[0]][focus[1]].tabIndex = -1;
      focus = at;
      cells[at[0]][at[1]].tabIndex = 0;
      if (focused) cells[at[0]][at[1]].focus();
    }

    table.addEventListener("keydown", function (event) {
      const steps = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0], Home: [0, -24], End: [0, 24] };
      const by = steps[event.key];
      if (by) {
        event.preventDefault();
        const at = [Math.max(0, Math.min(6, focus[0] + by[0])), Math.max(0, Math.min(23, focus[1] + by[1]))];
        if (event.shiftKey) {
          anchor = anchor || focus.slice();
          dragged = [anchor[0], anchor[1], at[0], at[1]];
        } else { anchor = null; dragged = null; }
        move_to(at, true);
        mark();
      } else if (event.key === "Enter" || event.key === " ") {
        event.preventDefault();
        const done = dragged || [focus[0], focus[1], focus[0], focus[1]];
        dragged = anchor = null;
        take(done);
        mark();
      } else if (event.key === "Escape" && dragged) {
        event.stopPropagation();
        dragged = anchor = null;
        mark();
      }
    });

    function draw(figures) {
      const most = Math.max(1, figures.by_hour.most), ramp = page.colours.cases;
      figures.by_hour.cases.forEach(function (row, day) {
        row.forEach(function (count, hour) {
          const cell = cells[day][hour];
          cell.style.background = count ? ramp[Math.min(ramp.length - 1, Math.floor(ramp.length * (count - 0.001) / most))] : "";
          const text = wangge.say("centre.hours_cell", { day: name("weekday_" + (day + 1)), hour: hour, count: count });
          cell.setAttribute("aria-label", text);
          cell.title = text;
        });
      });
      mark();
    }

    wangge.on("figures", draw);
    wangge.on("view", mark);
    wangge.on("started", mark);
    wangge.on("language", function () { if (centre.figures) draw(centre.figures); else mark(); });
  });
})();
