//! Every frame of the protocol: its tag, who sends it, and when.

/// A kind of frame.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct FrameKind {
    /// On the wire, with the two upper bits.
    pub tag: u16,
    /// In PROTOCOL.md.
    pub name: &'static str,
    /// The version of the protocol that brought it.
    pub since: u16,
    /// Who sends it.
    pub sender: Sender,
    /// When.
    pub state: State,
}

/// Who sends a frame.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Sender {
    /// Clients.
    Client,
    /// Servers.
    Server,
    /// Either end.
    Both,
}

/// When a frame may be sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum State {
    /// Until the login frame was sent or, from a server, answered.
    Login,
    /// After that.
    Open,
    /// Any time after the handshake.
    Any,
}

impl FrameKind {
    /// The kind with this number, whatever the two upper bits of `tag` say.
    #[must_use]
    pub fn find(tag: u16) -> Option<&'static Self> {
        let number = tag & NUMBER;
        let place = FRAMES.binary_search_by_key(&number, Self::number).ok()?;
        FRAMES.get(place)
    }

    /// The tag without its two upper bits.
    #[must_use]
    pub const fn number(&self) -> u16 {
        self.tag & NUMBER
    }

    /// Whether a receiver that does not know it must close the link.
    #[must_use]
    pub const fn is_critical(&self) -> bool {
        self.tag & CRITICAL != 0
    }

    /// Whether its head has a request id.
    #[must_use]
    pub const fn has_request(&self) -> bool {
        self.tag & REQUEST != 0
    }
}

/// Whoever does not know the tag must close the link.
pub(super) const CRITICAL: u16 = 0x8000;
/// A request id follows the tag.
pub(super) const REQUEST: u16 = 0x4000;
/// What is left of a tag is the number of the frame.
const NUMBER: u16 = 0x3fff;

macro_rules! frames {
    ($($constant:ident = $tag:literal $name:literal $sender:ident $state:ident;)*) => {
        $(pub(super) const $constant: u16 = $tag;)*

        /// Every frame of this version, sorted by number.
        pub const FRAMES: &[FrameKind] = &[$(FrameKind {
            tag: $tag,
            name: $name,
            since: 1,
            sender: Sender::$sender,
            state: State::$state,
        },)*];
    };
}

// Numbers are for ever: a frame that is given up keeps its number, as a comment.
frames! {
    PING = 0x8001 "Ping" Both Any;
    PONG = 0x8002 "Pong" Both Any;
    REKEY = 0x8003 "Rekey" Both Any;
    BYE = 0x8004 "Bye" Both Any;

    LOGIN = 0x8010 "Login" Client Login;
    RESUME = 0x8011 "Resume" Client Open;
    SEND = 0xc012 "Send" Client Open;
    CANCEL = 0x8013 "Cancel" Client Open;
    CREDIT = 0x8014 "Credit" Client Open;
    DELIVERED = 0x0015 "Delivered" Client Open;
    SET_TYPING = 0x0016 "SetTyping" Client Open;
    SET_PRESENCE = 0x0017 "SetPresence" Client Open;
    CHUNK = 0x8018 "Chunk" Client Open;
    TAKEN = 0x8019 "Taken" Client Open;
    STOP = 0x801a "Stop" Client Open;

    CREATE = 0x4020 "Create" Client Open;
    CHANGE = 0x4021 "Change" Client Open;
    GET_ROOMS = 0x4022 "GetRooms" Client Open;
    GET_MEMBERS = 0x4023 "GetMembers" Client Open;
    GET_WHO = 0x4024 "GetWho" Client Open;
    GET_HISTORY = 0x4025 "GetHistory" Client Open;
    SEARCH = 0x4026 "Search" Client Open;
    GET_CONVERSATIONS = 0x4027 "GetConversations" Client Open;
    READ = 0x4028 "Read" Client Open;
    GET_RECEIPTS = 0x4029 "GetReceipts" Client Open;
    GET_DEVICES = 0x402a "GetDevices" Client Open;
    REVOKE = 0x402b "Revoke" Client Open;
    PASSWORD = 0x402c "Password" Client Open;
    COMMAND = 0x402d "Command" Client Open;
    GET_COMMANDS = 0x402e "GetCommands" Client Open;
    UPLOAD = 0x402f "Upload" Client Open;
    FINISH = 0x4030 "Finish" Client Open;
    ABANDON = 0x4031 "Abandon" Client Open;
    FETCH = 0x4032 "Fetch" Client Open;

    WELCOME = 0x8040 "Welcome" Server Login;
    DENIED = 0x8041 "Denied" Server Login;
    CONVERSATIONS = 0x8042 "Conversations" Server Open;
    ENTRY = 0x8043 "Entry" Server Open;
    GAP = 0x8044 "Gap" Server Open;
    ACK = 0xc045 "Ack" Server Open;
    ERROR = 0xc046 "Error" Server Open;
    RECEIPTS = 0x0047 "Receipts" Server Open;
    PRESENCE = 0x0048 "Presence" Server Open;
    TYPING = 0x0049 "Typing" Server Open;
    NOTICE = 0x004a "Notice" Server Open;
    INCOMING = 0x004b "Incoming" Server Open;
    RECEIVED = 0x804c "Received" Server Open;
    PIECE = 0x804d "Piece" Server Open;
    FETCHED = 0x804e "Fetched" Server Open;
    STOPPED = 0x804f "Stopped" Server Open;

    DONE = 0xc050 "Done" Server Open;
    ENTERED = 0xc051 "Entered" Server Open;
    ROOM_PAGE = 0xc052 "RoomPage" Server Open;
    MEMBER_PAGE = 0xc053 "MemberPage" Server Open;
    WHO_PAGE = 0xc054 "WhoPage" Server Open;
    HISTORY_PAGE = 0xc055 "HistoryPage" Server Open;
    SEARCH_PAGE = 0xc056 "SearchPage" Server Open;
    CONVERSATION_PAGE = 0xc057 "ConversationPage" Server Open;
    RECEIPT_LIST = 0xc058 "ReceiptList" Server Open;
    DEVICE_LIST = 0xc059 "DeviceList" Server Open;
    COMMAND_LIST = 0xc05a "CommandList" Server Open;
    UPLOADING = 0xc05b "Uploading" Server Open;
    FETCHING = 0xc05c "Fetching" Server Open;
}
