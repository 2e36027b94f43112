// SPDX-License-Identifier: Apache-2.0
"use strict";
const token = new URLSearchParams(location.search).get("token");
fetch("/api/story", { headers: { Authorization: "Bearer " + token } })
  .then((answer) => answer.json())
  .then((story) => {
    document.getElementById("story").textContent = story.lines.map((line) => line.text).join("\n");
  });
