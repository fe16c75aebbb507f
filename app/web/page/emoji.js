/** The emoji one can answer with, by the words that name them. The first ones are offered without opening the list. */

export const QUICK = 3;

export const EMOJI = [
  ["👍", "thumbs up"], ["❤️", "heart"], ["😂", "tears of joy"], ["🎉", "party"], ["👀", "eyes"], ["✅", "done"], ["🙏", "thank you"], ["🚀", "rocket"],
  ["😀", "grinning"], ["😊", "smiling"], ["😉", "winking"], ["😍", "in love"], ["🤔", "thinking"], ["😮", "astonished"], ["😢", "crying"], ["😡", "angry"],
  ["😅", "relieved"], ["🙃", "upside down"], ["😎", "cool"], ["🥳", "celebrating"], ["😴", "asleep"], ["🤯", "mind blown"], ["🫡", "saluting"], ["🤷", "shrugging"],
  ["👎", "thumbs down"], ["👏", "clapping"], ["🙌", "raised hands"], ["💪", "strong"], ["🤝", "handshake"], ["👋", "waving"], ["🫶", "heart hands"], ["👌", "all right"],
  ["🔥", "fire"], ["⭐", "star"], ["💡", "idea"], ["💯", "hundred"], ["🐛", "bug"], ["☕", "coffee"], ["🍰", "cake"], ["❌", "no"],
];

const NAMES = new Map(EMOJI);

/** What to call an emoji; itself where it is none of these. */
export const emojiName = (emoji) => NAMES.get(emoji) ?? emoji;
